"""Attention from one position of some of the hypotheses, in a search on a CPU: each finds its past by a table of rows.

Keys and values stand as (row, position, head, lane): what is read of a position lies side by side.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np

from multimodel.layers.attention_cpu import softmax
from multimodel.layers.kernels_cpu import PRODUCTS, add_bias, kernel, multiply
from multimodel.layers.lanes_cpu import LANES, add_product, load, save, spread, summed

ZERO = np.float32(0)
ENOUGH = 8  # rows, from which on the library is the faster one


@kernel
@no_type_check  # tests check the types of all functions at run time, which compiled ones cannot do
def product(x, weight, out):
    """out = x · weight: of many rows by a library, where there is one; else four rows of the weight at a time."""
    if PRODUCTS and x.shape[0] >= ENOUGH:
        multiply(x, weight, out)
        return
    out[:] = 0
    whole = weight.shape[0] - weight.shape[0] % 4
    for c in range(0, whole, 4):
        w0, w1, w2, w3 = weight[c], weight[c + 1], weight[c + 2], weight[c + 3]
        for b in range(x.shape[0]):
            x0, x1, x2, x3, row = x[b, c], x[b, c + 1], x[b, c + 2], x[b, c + 3], out[b]
            for o in range(weight.shape[1]):
                row[o] += x0 * w0[o] + x1 * w1[o] + x2 * w2[o] + x3 * w3[o]
    for c in range(whole, weight.shape[0]):
        for b in range(x.shape[0]):
            for o in range(weight.shape[1]):
                out[b, o] += x[b, c] * weight[c, o]


@kernel
@no_type_check
def affine(x, weight, bias, out):
    """out = x · weight + bias."""
    product(x, weight, out)
    add_bias(bias, out)


@kernel
@no_type_check
def _split(row, scale, heads):
    """Channels to heads, each of which may have more lanes than channels."""
    size = row.shape[0] // heads.shape[0]
    for h in range(heads.shape[0]):
        head, channels = heads[h], row[h * size : (h + 1) * size]
        for c in range(size):
            head[c] = channels[c] * scale


@kernel
@no_type_check
def _scores(question, keys, rows, scores):
    """scores[h, t] = question[h] · the key of position t, which stands in its row."""
    for t in range(rows.shape[0]):
        key = keys[rows[t], t]
        for h in range(question.shape[0]):
            asked, known, products = question[h], key[h], spread(ZERO)
            for c in range(0, asked.shape[0], LANES):
                products = add_product(products, load(asked, c), load(known, c))
            scores[h, t] = summed(products)


@kernel
@no_type_check
def _mix(shares, values, rows, answer):
    """answer[h] = Σ_t shares[h, t] · the value of position t, two positions at a time."""
    answer[:] = 0
    whole = rows.shape[0] - rows.shape[0] % 2
    for t in range(0, whole, 2):
        value0, value1 = values[rows[t], t], values[rows[t + 1], t + 1]
        for h in range(answer.shape[0]):
            mixed, share0, share1 = answer[h], spread(shares[h, t]), spread(shares[h, t + 1])
            for c in range(0, mixed.shape[0], LANES):
                first = add_product(load(mixed, c), share0, load(value0[h], c))
                save(mixed, c, add_product(first, share1, load(value1[h], c)))
    for t in range(whole, rows.shape[0]):
        value = values[rows[t], t]
        for h in range(answer.shape[0]):
            mixed, share = answer[h], spread(shares[h, t])
            for c in range(0, mixed.shape[0], LANES):
                save(mixed, c, add_product(load(mixed, c), share, load(value[h], c)))


@kernel
@no_type_check
def _attend(question, keys, values, rows, real, out):
    """Attend from one position of one hypothesis to what is real; keys and values stand as (row, position, head)."""
    heads, size = question.shape[0], out.shape[0] // question.shape[0]
    scores, answer = np.empty((heads, rows.shape[0]), np.float32), np.empty_like(question)
    _scores(question, keys, rows, scores)
    softmax(scores, real, False, np.float32(1))
    _mix(scores, values, rows, answer)
    for h in range(heads):
        channels, head = out[h * size : (h + 1) * size], answer[h]
        for c in range(size):
            channels[c] = head[c]


@kernel
@no_type_check
def attend_to_self(x, weights, memory, at, out):
    """Write keys and values of this position, then attend to all so far."""
    weight, bias, output, output_bias = weights
    keys, values = memory
    first, position, rows, _ = at
    width, size = x.shape[1], x.shape[1] // keys.shape[2]
    asked, answers = np.empty((x.shape[0], 3 * width), np.float32), np.empty_like(x)
    question, real = np.zeros(keys.shape[2:], np.float32), np.ones(position + 1, np.bool_)
    affine(x, weight, bias, asked)
    for b in range(x.shape[0]):
        _split(asked[b, :width], 1 / np.sqrt(np.float32(size)), question)
        _split(asked[b, width : 2 * width], np.float32(1), keys[first + b, position])
        _split(asked[b, 2 * width :], np.float32(1), values[first + b, position])
        _attend(question, keys, values, rows[b, : position + 1], real, answers[b])
    affine(answers, output, output_bias, out)


@kernel
@no_type_check
def attend_to_source(x, weights, source, origins, out):
    """Attend to what is real of the source, which all hypotheses of an example share."""
    weight, bias, output, output_bias = weights
    keys, values, real = source
    size = x.shape[1] // keys.shape[2]
    asked, answers = np.empty_like(x), np.empty_like(x)
    question, rows = np.zeros(keys.shape[2:], np.float32), np.empty(keys.shape[1], origins.dtype)
    affine(x, weight, bias, asked)
    for b in range(x.shape[0]):
        _split(asked[b], 1 / np.sqrt(np.float32(size)), question)
        rows[:] = origins[b]
        _attend(question, keys, values, rows, real[origins[b]], answers[b])
    affine(answers, output, output_bias, out)
