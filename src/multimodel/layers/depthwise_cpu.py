"""Depthwise convolution of one example and its gradients, for kernels on a CPU.

Channels are last, so the innermost loops run over neighbouring floats and become vector instructions. A tap that would
read outside the sequence is left out, not multiplied by zero.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np

from multimodel.layers.kernels_cpu import kernel
from multimodel.layers.lanes_cpu import LANES, add_product, load, save, spread

ZERO = np.float32(0)


@kernel
@no_type_check  # tests check the types of all functions at run time, which compiled ones cannot do
def rectify(x, real, out):
    """out[t, c] = max(x[t, c], 0) · real[t]."""
    for t in range(x.shape[0]):
        for c in range(x.shape[1]):
            out[t, c] = max(x[t, c], ZERO) * real[t]


@kernel
@no_type_check
def correlate(x, taps, out, dilation, left):
    """out[t, c] = Σ_j taps[j, c] · x[t + j·dilation − left, c], sums held in registers; outside x is nothing."""
    length, width = x.shape
    for t in range(length):
        row, begin = out[t], t - left
        first = (dilation - 1 - begin) // dilation if begin < 0 else 0
        last = min(len(taps), (length - 1 - begin) // dilation + 1)
        c = 0
        while c + 4 * LANES <= width:
            y0, y1, y2, y3 = spread(ZERO), spread(ZERO), spread(ZERO), spread(ZERO)
            for j in range(first, last):
                tap, near = taps[j], x[begin + j * dilation]
                y0 = add_product(y0, load(tap, c), load(near, c))
                y1 = add_product(y1, load(tap, c + LANES), load(near, c + LANES))
                y2 = add_product(y2, load(tap, c + 2 * LANES), load(near, c + 2 * LANES))
                y3 = add_product(y3, load(tap, c + 3 * LANES), load(near, c + 3 * LANES))
            save(row, c, y0)
            save(row, c + LANES, y1)
            save(row, c + 2 * LANES, y2)
            save(row, c + 3 * LANES, y3)
            c += 4 * LANES
        for c in range(c, width):  # noqa: B020
            y = ZERO
            for j in range(first, last):
                y += taps[j, c] * x[begin + j * dilation, c]
            row[c] = y


@kernel
@no_type_check
def add_tap_gradients(x, gradient, out, dilation, left):
    """out[j, c] += Σ_t gradient[t, c] · x[t + j·dilation − left, c], sums held in registers."""
    length, width = x.shape
    for j in range(len(out)):
        row, offset = out[j], j * dilation - left
        first, last = max(0, -offset), min(length, length - offset)
        c = 0
        while c + 4 * LANES <= width:
            y0, y1, y2, y3 = spread(ZERO), spread(ZERO), spread(ZERO), spread(ZERO)
            for t in range(first, last):
                slopes, near = gradient[t], x[t + offset]
                y0 = add_product(y0, load(slopes, c), load(near, c))
                y1 = add_product(y1, load(slopes, c + LANES), load(near, c + LANES))
                y2 = add_product(y2, load(slopes, c + 2 * LANES), load(near, c + 2 * LANES))
                y3 = add_product(y3, load(slopes, c + 3 * LANES), load(near, c + 3 * LANES))
            one = spread(np.float32(1))
            save(row, c, add_product(y0, one, load(row, c)))
            save(row, c + LANES, add_product(y1, one, load(row, c + LANES)))
            save(row, c + 2 * LANES, add_product(y2, one, load(row, c + 2 * LANES)))
            save(row, c + 3 * LANES, add_product(y3, one, load(row, c + 3 * LANES)))
            c += 4 * LANES
        for c in range(c, width):  # noqa: B020
            y = ZERO
            for t in range(first, last):
                y += gradient[t, c] * x[t + offset, c]
            row[c] += y


@kernel
@no_type_check
def rectify_backward(x, real, gradient):
    """No gradient where x was not positive, or masked."""
    for t in range(x.shape[0]):
        for c in range(x.shape[1]):
            slope = gradient[t, c] * real[t]  # before it is chosen: what might not be read would be jumped over
            gradient[t, c] = slope if x[t, c] > 0 else ZERO
