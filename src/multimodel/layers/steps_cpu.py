"""One position of the blocks that write an answer, for some of the hypotheses, in kernels that numba compiles.

A position is so little work that calling torch's operators takes longer than what they do. `at` says which position it
is and of whom: the number of the first of these hypotheses, the position, in which row of the memory each of them finds
what it remembers of every position, and which example it answers.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np

from multimodel.layers.attention_steps_cpu import ZERO, attend_to_self, attend_to_source, product
from multimodel.layers.convolution import NORM_EPSILON
from multimodel.layers.kernels_cpu import add_all, add_bias, kernel, store_all

EPSILON = np.float32(NORM_EPSILON)
NEVER = np.float32(-np.inf)


@kernel
@no_type_check  # tests check the types of all functions at run time, which compiled ones cannot do
def _normalise(rows, norm):
    """x = (x − mean) / √(variance + ε) · gain + bias, for each row x."""
    gain, bias = norm[0], norm[1]
    for b in range(rows.shape[0]):
        x = rows[b]
        total = ZERO
        for c in range(x.shape[0]):
            total += x[c]
        mean = total / np.float32(x.shape[0])
        total = ZERO
        for c in range(x.shape[0]):
            total += (x[c] - mean) * (x[c] - mean)
        scale = np.float32(1) / np.sqrt(total / np.float32(x.shape[0]) + EPSILON)
        for c in range(x.shape[0]):
            x[c] = (x[c] - mean) * scale * gain[c] + bias[c]


@kernel
@no_type_check
def _conv_step(x, step, at):
    """In place: write ReLU(x) into the ring, filter the inputs that each hypothesis comes from, project, normalise."""
    dilation, taps, pointwise, norm, ring = step
    first, position, rows, _ = at
    size, places = taps.shape[0], ring.shape[1]
    filtered = np.empty_like(x)
    for b in range(x.shape[0]):
        row, own, tap = filtered[b], ring[first + b, position % places], taps[size - 1]
        for c in range(row.shape[0]):
            own[c] = max(x[b, c], ZERO)
            row[c] = tap[c] * own[c]
        for j in range(1, min(size, position // dilation + 1)):
            past = position - j * dilation
            tap, old = taps[size - 1 - j], ring[rows[b, past], past % places]
            for c in range(row.shape[0]):
                row[c] += tap[c] * old[c]
    product(filtered, pointwise, x)
    _normalise(x, norm)


@kernel
@no_type_check
def _of(steps, number, index):
    """The ConvStep of this number in the block of this index: weights and ring."""
    dilations, taps, pointwise, norms, rings = steps
    return dilations[number], taps[number][index], pointwise[number][index], norms[number][index], rings[number][index]


@kernel
@no_type_check
def conv_block(x, steps, index, at, out):
    """The paper's hidden4: four steps, two residuals."""
    store_all(x, out)
    for number in range(4):
        _conv_step(out, _of(steps, number, index), at)
        if number % 2:
            add_all(x, out)


@kernel
@no_type_check
def attention_block(x, timing, steps, weights, index, at, out):
    """LN(x + self + cross), where x is convolved first; there are no own keys where self-attention is left out."""
    own, (keys, values), cross, (source_keys, source_values, real), norms = weights
    queries, hidden = np.empty_like(x), np.empty_like(x)
    store_all(x, hidden)
    add_bias(timing, hidden)
    for number in range(4, 6):
        _conv_step(hidden, _of(steps, number, index), at)
    if len(keys):
        some = own[0][index], own[1][index], own[2][index], own[3][index]
        attend_to_self(hidden, some, (keys[index], values[index]), at, queries)
    else:
        queries = hidden
    some = cross[0][index], cross[1][index], cross[2][index], cross[3][index]
    attend_to_source(queries, some, (source_keys[index], source_values[index], real), at[3], out)
    add_all(queries, out)
    add_all(x, out)
    _normalise(out, norms[index])


@kernel
@no_type_check
def mix_experts(x, weights, out):
    """LN(x + the answers of the experts with the `used` highest gates, weighted by the softmax of these)."""
    gate, used, hidden, output, norm = weights
    examples, experts = x.shape[0], gate.shape[1]
    logits = np.empty((examples, experts), np.float32)
    shares = np.zeros((examples, experts), np.float32)
    product(x, gate, logits)
    for b in range(examples):
        highest, total = NEVER, ZERO
        for _ in range(used):
            chosen = np.argmax(logits[b])
            highest = max(highest, logits[b, chosen])
            shares[b, chosen] = np.exp(logits[b, chosen] - highest)
            total += shares[b, chosen]
            logits[b, chosen] = NEVER
        for e in range(experts):
            shares[b, e] /= total
    rows, asked = np.empty(examples, np.int64), np.empty_like(x)
    inner = np.empty((examples, hidden.shape[2]), np.float32)
    answers = np.empty_like(x)
    store_all(x, out)
    for e in range(experts):
        count = 0
        for b in range(examples):
            if shares[b, e] > 0:
                rows[count], asked[count] = b, x[b]
                count += 1
        if count:
            product(asked[:count], hidden[e], inner[:count])
            for row in range(count):
                for c in range(inner.shape[1]):
                    inner[row, c] = max(inner[row, c], ZERO)
            product(inner[:count], output[e], answers[:count])
            for row in range(count):
                b = rows[row]
                for c in range(x.shape[1]):
                    out[b, c] += shares[b, e] * answers[row, c]
    _normalise(out, norm)
