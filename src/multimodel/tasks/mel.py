"""Log-mel spectrograms: Slaney's mel scale, triangles of equal area, energies relative to the loudest one."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float

LINEAR_BELOW = 1000.0  # Hz: Slaney's scale is linear up to here, logarithmic above
MELS_PER_HERTZ = 3 / 200
LOG_STEP = np.log(6.4) / 27
RANGE_DECIBEL = 60.0
SILENCE = 1e-10


def hertz_to_mel(hertz: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Slaney's mel scale."""
    above = LINEAR_BELOW * MELS_PER_HERTZ + np.log(np.maximum(hertz, LINEAR_BELOW) / LINEAR_BELOW) / LOG_STEP
    return np.where(hertz < LINEAR_BELOW, hertz * MELS_PER_HERTZ, above)


def mel_to_hertz(mels: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """The way back."""
    knee = LINEAR_BELOW * MELS_PER_HERTZ
    above = LINEAR_BELOW * np.exp(LOG_STEP * (np.maximum(mels, knee) - knee))
    return np.where(mels < knee, mels / MELS_PER_HERTZ, above)


@lru_cache(maxsize=8)
def filterbank(sample_rate: int, window: int, bins: int) -> Float[np.ndarray, "bins frequencies"]:
    """Triangles over the frequencies of a Fourier window, evenly spaced in mel from 0 Hz to half the rate, area 1."""
    half = sample_rate / 2
    edges = mel_to_hertz(np.linspace(0.0, float(hertz_to_mel(np.array([half]))[0]), bins + 2))
    frequencies = np.linspace(0.0, half, window // 2 + 1)
    rising = (frequencies - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - frequencies) / (edges[2:] - edges[1:-1])[:, None]
    area = 2.0 / (edges[2:] - edges[:-2])
    return (np.maximum(0.0, np.minimum(rising, falling)) * area[:, None]).astype(np.float32)


def log_mel(
    samples: Float[np.ndarray, " n"], sample_rate: int, *, bins: int, hop: int, window: int
) -> Float[np.ndarray, "t bins"]:
    """1 + n // hop frames in 0…1: 1 is the loudest energy of the recording, 0 is 60 dB below it or less.

    Values are not negative because the net begins with a ReLU. Being relative they do not depend on the volume.
    """
    centred = np.pad(samples.astype(np.float32), window // 2)
    frames = np.lib.stride_tricks.sliding_window_view(centred, window)[::hop]
    taper = np.hanning(window + 1)[:-1].astype(np.float32)
    power = np.abs(np.fft.rfft(frames * taper, axis=1)).astype(np.float32) ** 2
    energies = power @ filterbank(sample_rate, window, bins).T
    loudest = float(energies.max())
    if loudest < SILENCE:
        return np.zeros_like(energies)
    decibel = 10 * np.log10(np.maximum(energies / loudest, SILENCE))
    return np.maximum(0.0, 1 + decibel / RANGE_DECIBEL).astype(np.float32)
