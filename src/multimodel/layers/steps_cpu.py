"""One position of a ConvStep, of attention or of experts in one call: decoding with float32 on a CPU, through numba.

A position is so little work that calling torch's operators takes longer than what they do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, no_type_check

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from multimodel.layers.depthwise_cpu import kernel

if TYPE_CHECKING:
    from multimodel.layers.attention import KeysValues


@kernel
@no_type_check  # tests check the types of all functions at run time, which compiled ones cannot do
def _project(x, weight, out):
    """out[b] = x[b] · weight, four rows of the weight at a time, which stay in the cache for all examples."""
    out[:] = 0
    c = 0
    while c + 4 <= weight.shape[0]:
        w0, w1, w2, w3 = weight[c], weight[c + 1], weight[c + 2], weight[c + 3]
        for b in range(x.shape[0]):
            x0, x1, x2, x3, row = x[b, c], x[b, c + 1], x[b, c + 2], x[b, c + 3], out[b]
            for o in range(weight.shape[1]):
                row[o] += x0 * w0[o] + x1 * w1[o] + x2 * w2[o] + x3 * w3[o]
        c += 4
    while c < weight.shape[0]:
        w0 = weight[c]
        for b in range(x.shape[0]):
            x0, row = x[b, c], out[b]
            for o in range(weight.shape[1]):
                row[o] += x0 * w0[o]
        c += 1


@kernel
@no_type_check
def _affine(x, weight, bias, out):
    """out[b] = x[b] · weight + bias."""
    _project(x, weight, out)
    for b in range(out.shape[0]):
        for o in range(out.shape[1]):
            out[b, o] += bias[o]


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
def _conv_step(x, inputs, position, taps, pointwise, gain, bias, epsilon, out):
    """Write ReLU(x) into the rings, filter their last inputs, project, normalise."""
    kernel, width = taps.shape
    remainder, place = position % inputs.shape[1], position // inputs.shape[1] % kernel
    filtered = np.zeros((x.shape[0], width), np.float32)
    for b in range(x.shape[0]):
        ring, row = inputs[b, remainder], filtered[b]
        for c in range(width):
            ring[place, c] = ring[place + kernel, c] = max(x[b, c], np.float32(0))
        for j in range(kernel):
            for c in range(width):
                row[c] += taps[j, c] * ring[place + 1 + j, c]
    _project(filtered, pointwise, out)
    _normalise(out, gain, bias, epsilon)


@kernel
@no_type_check
def _attend(x, keys, values, real, query, query_bias, output, output_bias, out):
    """Attend from one position of each example to what is real; keys and values stand as (head, position, channel)."""
    size = keys.shape[3]
    scale = np.float32(1) / np.sqrt(np.float32(size))
    asked = np.empty((x.shape[0], query.shape[1]), np.float32)
    answers = np.zeros_like(asked)
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
def _write(x, place, position, weight, bias):
    """Project one position of each example into its place, head by head."""
    size = place.shape[3]
    projected = np.empty((x.shape[0], weight.shape[1]), np.float32)
    _affine(x, weight, bias, projected)
    for b in range(x.shape[0]):
        for h in range(place.shape[1]):
            place[b, h, position] = projected[b, h * size : (h + 1) * size]


@kernel
@no_type_check
def _mix_experts(x, gate, used, hidden, output, gain, bias, epsilon, out):
    """LN(x + the answers of the experts with the `used` highest gates, weighted by the softmax of these)."""
    examples, experts = x.shape[0], gate.shape[1]
    logits = np.empty((examples, experts), np.float32)
    weights = np.zeros((examples, experts), np.float32)
    _project(x, gate, logits)
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
            _project(asked[:count], hidden[e], inner[:count])
            inner[:count] = np.maximum(inner[:count], np.float32(0))
            _project(inner[:count], output[e], answers[:count])
            for row in range(count):
                out[rows[row]] += weights[rows[row], e] * answers[row]
    _normalise(out, gain, bias, epsilon)


def _rows(x: Float[Tensor, "b 1 d"]) -> np.ndarray:
    """One position of each example as rows of numbers."""
    return x.reshape(len(x), -1).numpy()


class CompiledConvStep:
    """A ConvStep's weights, laid out for `_conv_step`; to be made anew when they have changed."""

    def __init__(self, taps: Float[Tensor, "d k"], pointwise: Float[Tensor, "f d"], norm: nn.LayerNorm) -> None:
        self.taps, self.weight = (_turned(tensor) for tensor in (taps, pointwise))
        self.norm = norm.weight.detach().numpy(), norm.bias.detach().numpy(), np.float32(norm.eps)

    def __call__(
        self, x: Float[Tensor, "b 1 d"], inputs: Float[Tensor, "b dilation places d"], position: int
    ) -> Float[Tensor, "b 1 f"]:
        """One position; `inputs` are the rings of `ConvMemory`."""
        out = torch.empty(len(x), self.weight.shape[1])
        _conv_step(_rows(x), inputs.numpy(), position, self.taps, self.weight, *self.norm, out.numpy())
        return out.unsqueeze(1)


class CompiledExperts:
    """The weights of a MixtureOfExperts; to be made anew when they have changed."""

    def __init__(self, gate: Tensor, used: int, hidden: Tensor, output: Tensor, norm: nn.LayerNorm) -> None:
        self.gate, self.used = gate.detach().numpy(), min(used, gate.shape[1])
        self.experts = hidden.detach().numpy(), output.detach().numpy()
        self.norm = norm.weight.detach().numpy(), norm.bias.detach().numpy(), np.float32(norm.eps)

    def __call__(self, x: Float[Tensor, "b 1 d"]) -> Float[Tensor, "b 1 d"]:
        """One position of each example, without noise."""
        out = torch.empty(len(x), x.shape[2])
        _mix_experts(_rows(x), self.gate, self.used, *self.experts, *self.norm, out.numpy())
        return out.unsqueeze(1)


class CompiledAttention:
    """The weights of a MultiHeadAttention; to be made anew when they have changed."""

    def __init__(self, query: nn.Linear, key: nn.Linear, value: nn.Linear, output: nn.Linear) -> None:
        self.query, self.key, self.value, self.output = map(_weights, (query, key, value, output))

    def ask(self, x: Float[Tensor, "b 1 d"], memory: KeysValues) -> Float[Tensor, "b 1 d"]:
        """Attend to all of a source but its padding."""
        keys = memory.keys
        real = np.ones((len(x), keys.shape[2]), bool) if memory.mask is None else memory.mask[:, 0, 0].numpy()
        return self.attend(x, keys, memory.values, real)

    def extend(self, x: Float[Tensor, "b 1 d"], memory: KeysValues, position: int) -> Float[Tensor, "b 1 d"]:
        """Write this position's key and value, then attend to all so far."""
        _write(_rows(x), memory.keys.numpy(), position, *self.key)
        _write(_rows(x), memory.values.numpy(), position, *self.value)
        return self.attend(x, memory.keys, memory.values, np.ones((len(x), position + 1), bool))

    def attend(self, x: Tensor, keys: Tensor, values: Tensor, real: np.ndarray) -> Tensor:
        """From one position of each example to as many keys as `real` is long."""
        out = torch.empty(len(x), x.shape[2])
        _attend(_rows(x), keys.numpy(), values.numpy(), real, *self.query, *self.output, out.numpy())
        return out.unsqueeze(1)


def _turned(weight: Float[Tensor, "f d"]) -> np.ndarray:
    """A weight as `_project` reads it: a row for each input."""
    return weight.detach().t().contiguous().numpy()


def _weights(linear: nn.Linear) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias."""
    return _turned(linear.weight), linear.bias.detach().numpy()
