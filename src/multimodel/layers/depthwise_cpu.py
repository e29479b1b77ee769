"""Depthwise convolution of one example and its gradients, for kernels on a CPU.

Channels are last, so the innermost loops run over neighbouring floats and become vector instructions. A tap that would
read outside the sequence is left out, not multiplied by zero.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np

from multimodel.layers.kernels_cpu import kernel


@kernel
@no_type_check  # tests check the types of all functions at run time, which compiled ones cannot do
def rectify(x, real, out):
    """out[t, c] = max(x[t, c], 0) · real[t]."""
    zero = np.float32(0)
    for t in range(x.shape[0]):
        for c in range(x.shape[1]):
            out[t, c] = max(x[t, c], zero) * real[t]


@kernel
@no_type_check
def correlate(x, taps, out, dilation, left):
    """out[t, c] = Σ_j taps[j, c] · x[t + j·dilation − left, c], four taps at a time; outside x is nothing."""
    length, kernel = x.shape[0], taps.shape[0]
    for t in range(length):
        row = out[t]
        first = (left - t + dilation - 1) // dilation if left > t else 0
        last = min(kernel, (length - 1 - t + left) // dilation + 1)
        row[:] = 0
        j = first
        while j + 4 <= last:
            s = t + j * dilation - left
            x0, x1, x2, x3 = x[s], x[s + dilation], x[s + 2 * dilation], x[s + 3 * dilation]
            w0, w1, w2, w3 = taps[j], taps[j + 1], taps[j + 2], taps[j + 3]
            for c in range(row.shape[0]):
                row[c] += w0[c] * x0[c] + w1[c] * x1[c] + w2[c] * x2[c] + w3[c] * x3[c]
            j += 4
        while j < last:
            x0, w0 = x[t + j * dilation - left], taps[j]
            for c in range(row.shape[0]):
                row[c] += w0[c] * x0[c]
            j += 1


@kernel
@no_type_check
def add_tap_gradients(x, gradient, out, dilation, left):
    """out[j, c] += Σ_t gradient[t, c] · x[t + j·dilation − left, c], four positions at a time."""
    length = x.shape[0]
    for j in range(out.shape[0]):
        row, offset = out[j], j * dilation - left
        t, last = max(0, -offset), min(length, length - offset)
        while t + 4 <= last:
            g0, g1, g2, g3 = gradient[t], gradient[t + 1], gradient[t + 2], gradient[t + 3]
            s = t + offset
            x0, x1, x2, x3 = x[s], x[s + 1], x[s + 2], x[s + 3]
            for c in range(row.shape[0]):
                row[c] += g0[c] * x0[c] + g1[c] * x1[c] + g2[c] * x2[c] + g3[c] * x3[c]
            t += 4
        while t < last:
            g0, x0 = gradient[t], x[t + offset]
            for c in range(row.shape[0]):
                row[c] += g0[c] * x0[c]
            t += 1


@kernel
@no_type_check
def rectify_backward(x, real, gradient):
    """No gradient where x was not positive, or masked."""
    zero = np.float32(0)
    for t in range(x.shape[0]):
        for c in range(x.shape[1]):
            gradient[t, c] = gradient[t, c] * real[t] if x[t, c] > 0 else zero
