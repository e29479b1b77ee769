"""One position of a ConvBlock, an AttentionBlock or of experts in one call: decoding with float32 on a CPU, by numba.

A position is so little work that calling torch's operators takes longer than what they do. Weights are read where the
layers hold them, but for depthwise taps: a search that began before they changed would not see them change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, no_type_check

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from multimodel.layers.kernels_cpu import kernel

if TYPE_CHECKING:
    from multimodel.layers.attention import AttentionMemory, MultiHeadAttention
    from multimodel.layers.convolution import ConvStep, Rings


@kernel
@no_type_check  # tests check the types of all functions at run time, which compiled ones cannot do
def _linear(x, weight, out):
    """out[b, o] = x[b] · weight[o], four outputs at a time, whose weights stay in the cache for all examples."""
    whole = weight.shape[0] - weight.shape[0] % 4
    for o in range(0, whole, 4):
        w0, w1, w2, w3 = weight[o], weight[o + 1], weight[o + 2], weight[o + 3]
        for b in range(x.shape[0]):
            row = x[b]
            y0 = y1 = y2 = y3 = np.float32(0)
            for c in range(row.shape[0]):
                y0 += row[c] * w0[c]
                y1 += row[c] * w1[c]
                y2 += row[c] * w2[c]
                y3 += row[c] * w3[c]
            out[b, o], out[b, o + 1], out[b, o + 2], out[b, o + 3] = y0, y1, y2, y3
    for o in range(whole, weight.shape[0]):
        for b in range(x.shape[0]):
            out[b, o] = np.sum(x[b] * weight[o])


@kernel
@no_type_check
def _affine(x, weight, bias, out):
    """out[b, o] = x[b] · weight[o] + bias[o]."""
    _linear(x, weight, out)
    out += bias


@kernel
@no_type_check
def _multiply(x, weight, out):
    """out[b] = Σ_c x[b, c] · weight[c], four rows of the weight at a time, which stay in the cache for all examples."""
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
            out[b] += x[b, c] * weight[c]


@kernel
@no_type_check
def _normalise(rows, gain, bias, epsilon):
    """x = (x − mean) / √(variance + ε) · gain + bias, for each row x."""
    for b in range(rows.shape[0]):
        x = rows[b]
        total = np.float32(0)
        for c in range(x.shape[0]):
            total += x[c]
        mean = total / np.float32(x.shape[0])
        total = np.float32(0)
        for c in range(x.shape[0]):
            total += (x[c] - mean) * (x[c] - mean)
        scale = np.float32(1) / np.sqrt(total / np.float32(x.shape[0]) + epsilon)
        for c in range(x.shape[0]):
            x[c] = (x[c] - mean) * scale * gain[c] + bias[c]


@kernel
@no_type_check
def _conv_step(x, inputs, position, weights, out):
    """Write ReLU(x) into the rings, filter their last inputs, project, normalise."""
    taps, pointwise, gain, bias, epsilon = weights
    size, width = taps.shape
    remainder, place = position % inputs.shape[1], position // inputs.shape[1] % size
    filtered = np.zeros((x.shape[0], width), np.float32)
    for b in range(x.shape[0]):
        ring, row = inputs[b, remainder], filtered[b]
        for c in range(width):
            ring[place, c] = ring[place + size, c] = max(x[b, c], np.float32(0))
        for j in range(size):
            for c in range(width):
                row[c] += taps[j, c] * ring[place + 1 + j, c]
    _linear(filtered, pointwise, out)
    _normalise(out, gain, bias, epsilon)


@kernel
@no_type_check
def _conv_block(x, rings, position, steps, out):
    """The paper's hidden4: four steps, two residuals."""
    hidden1, hidden2, hidden3 = np.empty_like(x), np.empty_like(x), np.empty_like(x)
    _conv_step(x, rings[0], position, steps[0], hidden1)
    _conv_step(hidden1, rings[1], position, steps[1], hidden2)
    hidden2 += x
    _conv_step(hidden2, rings[2], position, steps[2], hidden3)
    _conv_step(hidden3, rings[3], position, steps[3], out)
    out += x


@kernel
@no_type_check
def _write(x, places, position, weight, bias):
    """Project one position of each example into its place, head by head."""
    size = places.shape[3]
    projected = np.empty_like(x)
    _affine(x, weight, bias, projected)
    for b in range(x.shape[0]):
        for h in range(places.shape[1]):
            places[b, h, position] = projected[b, h * size : (h + 1) * size]


@kernel
@no_type_check
def _attend(x, keys, values, real, weights, out):
    """Attend from one position of each example to what is real; keys and values stand as (head, position, channel)."""
    query, query_bias, output, output_bias = weights
    size = keys.shape[3]
    scale = np.float32(1) / np.sqrt(np.float32(size))
    asked = np.empty_like(x)
    answers = np.zeros_like(x)
    scores = np.empty(real.shape[1], np.float32)
    _affine(x, query, query_bias, asked)
    for b in range(x.shape[0]):
        for h in range(keys.shape[1]):
            question, answer = asked[b, h * size : (h + 1) * size], answers[b, h * size : (h + 1) * size]
            highest = np.float32(-np.inf)
            for t in range(real.shape[1]):
                score = np.float32(0)
                for c in range(size):
                    score += question[c] * keys[b, h, t, c]
                scores[t] = score * scale if real[b, t] else np.float32(-np.inf)
                highest = max(highest, scores[t])
            total = np.float32(0)
            for t in range(real.shape[1]):
                weight = np.exp(scores[t] - highest)
                total += weight
                for c in range(size):
                    answer[c] += weight * values[b, h, t, c]
            for c in range(size):
                answer[c] /= total
    _affine(answers, output, output_bias, out)


@kernel
@no_type_check
def _attention_block(target, timed, position, rings, own, source, steps, writing, asking, asking_source, norm, out):
    """LN(target + self + cross), the target convolved and written among its own keys and values first."""
    keys, values = own
    source_keys, source_values, real = source
    key, key_bias, value, value_bias = writing
    hidden1, hidden2, queries = np.empty_like(target), np.empty_like(target), np.empty_like(target)
    _conv_step(timed, rings[0], position, steps[0], hidden1)
    _conv_step(hidden1, rings[1], position, steps[1], hidden2)
    _write(hidden2, keys, position, key, key_bias)
    _write(hidden2, values, position, value, value_bias)
    _attend(hidden2, keys, values, np.ones((len(target), position + 1), np.bool_), asking, queries)
    _attend(queries, source_keys, source_values, real, asking_source, out)
    for b in range(target.shape[0]):
        for c in range(target.shape[1]):
            out[b, c] += target[b, c] + queries[b, c]
    gain, bias, epsilon = norm
    _normalise(out, gain, bias, epsilon)


@kernel
@no_type_check
def _mix_experts(x, gate, used, hidden, output, norm, out):
    """LN(x + the answers of the experts with the `used` highest gates, weighted by the softmax of these)."""
    examples, experts = x.shape[0], gate.shape[1]
    logits = np.empty((examples, experts), np.float32)
    weights = np.zeros((examples, experts), np.float32)
    _multiply(x, gate, logits)
    for b in range(examples):
        highest, total = logits[b].max(), np.float32(0)
        for _ in range(used):
            chosen = np.argmax(logits[b])
            weights[b, chosen] = np.exp(logits[b, chosen] - highest)
            total += weights[b, chosen]
            logits[b, chosen] = -np.inf
        weights[b] /= total
    rows, asked = np.empty(examples, np.int64), np.empty_like(x)
    inner = np.empty((examples, hidden.shape[2]), np.float32)
    answers = np.empty_like(x)
    out[:] = x
    for e in range(experts):
        count = 0
        for b in range(examples):
            if weights[b, e] > 0:
                rows[count], asked[count] = b, x[b]
                count += 1
        if count:
            _multiply(asked[:count], hidden[e], inner[:count])
            inner[:count] = np.maximum(inner[:count], np.float32(0))
            _multiply(inner[:count], output[e], answers[:count])
            for row in range(count):
                out[rows[row]] += weights[rows[row], e] * answers[row]
    gain, bias, epsilon = norm
    _normalise(out, gain, bias, epsilon)


class CompiledConvBlock:
    """A ConvBlock's weights for `_conv_block`."""

    def __init__(self, *steps: ConvStep) -> None:
        self.steps = tuple(map(_conv_weights, steps))

    def __call__(self, x: Float[Tensor, "b 1 d"], rings: tuple[Rings, ...], position: int) -> Float[Tensor, "b 1 d"]:
        """One position."""
        out = torch.empty_like(x)
        _conv_block(_rows(x), _arrays(*rings), position, self.steps, _rows(out))
        return out


class CompiledAttentionBlock:
    """An AttentionBlock's weights for `_attention_block`."""

    def __init__(
        self, *steps: ConvStep, own: MultiHeadAttention, source: MultiHeadAttention, norm: nn.LayerNorm
    ) -> None:
        self.weights = (
            tuple(map(_conv_weights, steps)),
            _affine_weights(own.key, own.value),
            _affine_weights(own.query, own.output),
            _affine_weights(source.query, source.output),
            _norm_weights(norm),
        )

    def __call__(
        self, target: Float[Tensor, "b 1 d"], timed: Float[Tensor, "b 1 d"], memory: AttentionMemory, position: int
    ) -> Float[Tensor, "b 1 d"]:
        """One position, which attends to all so far and to all of the source but its padding."""
        own, source, out = memory.target, memory.source, torch.empty_like(target)
        assert own is not None
        assert source.mask is not None
        own_arrays = _arrays(own.keys, own.values)
        source_arrays = _arrays(source.keys, source.values, source.mask[:, 0, 0])
        rings = _arrays(memory.step1, memory.step2)
        _attention_block(
            _rows(target), _rows(timed), position, rings, own_arrays, source_arrays, *self.weights, _rows(out)
        )
        return out


class CompiledExperts:
    """The weights of a MixtureOfExperts for `_mix_experts`."""

    def __init__(self, gate: Tensor, used: int, hidden: Tensor, output: Tensor, norm: nn.LayerNorm) -> None:
        self.gate, self.used = gate.detach().numpy(), min(used, gate.shape[1])
        self.experts = _arrays(hidden.detach(), output.detach())
        self.norm = _norm_weights(norm)

    def __call__(self, x: Float[Tensor, "b 1 d"]) -> Float[Tensor, "b 1 d"]:
        """One position of each example, without noise."""
        out = torch.empty_like(x)
        _mix_experts(_rows(x), self.gate, self.used, *self.experts, self.norm, _rows(out))
        return out


def _arrays(*tensors: Tensor) -> tuple[np.ndarray, ...]:
    """The same memory."""
    return tuple(tensor.numpy() for tensor in tensors)


def _rows(x: Float[Tensor, "b 1 d"]) -> np.ndarray:
    """One position of each example as rows of numbers, in the same memory."""
    return x[:, 0].numpy()


def _norm_weights(norm: nn.LayerNorm) -> tuple[np.ndarray | np.float32, ...]:
    return *_arrays(norm.weight.detach(), norm.bias.detach()), np.float32(norm.eps)


def _conv_weights(step: ConvStep) -> tuple[np.ndarray | np.float32, ...]:
    """Taps with a row for each, the pointwise weight, the norm."""
    taps, pointwise = step.conv.depthwise.detach().t().contiguous(), step.conv.pointwise.weight.detach()
    return *_arrays(taps, pointwise), *_norm_weights(step.norm)


def _affine_weights(*linears: nn.Linear) -> tuple[np.ndarray, ...]:
    """Weight and bias of each."""
    return _arrays(*(part.detach() for linear in linears for part in (linear.weight, linear.bias)))
