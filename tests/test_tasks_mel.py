import numpy as np
import pytest

from multimodel.tasks.mel import filterbank, hertz_to_mel, mel_to_hertz


def test_the_mel_scale_is_slaneys() -> None:
    np.testing.assert_allclose(hertz_to_mel(np.array([0.0, 500.0, 1000.0, 6400.0])), [0, 7.5, 15, 42])


def test_hertz_survive_the_way_to_mel_and_back() -> None:
    hertz = np.linspace(0, 8000, 101)
    np.testing.assert_allclose(mel_to_hertz(hertz_to_mel(hertz)), hertz, rtol=1e-12)


@pytest.mark.parametrize("bins", [16, 40])
def test_filters_are_triangles_of_area_one(bins: int) -> None:
    rate, window = 16_000, 16_384  # fine enough for a sum to be an area
    filters = filterbank(rate, window, bins)
    assert filters.shape == (bins, window // 2 + 1)
    np.testing.assert_allclose(filters.sum(axis=1) * rate / window, 1, rtol=1e-2)
    for row in filters:
        rises = np.sign(np.diff(row[row > 0]))
        assert (np.diff(rises) <= 0).all()


def test_neighbouring_filters_meet_at_each_others_peaks() -> None:
    filters = filterbank(16_000, 16_384, 20)
    peaks = filters.argmax(axis=1)
    assert (np.diff(peaks) > 0).all()
    scaled = filters / filters.max(axis=1, keepdims=True)
    inside = scaled[:, peaks[0] : peaks[-1]].sum(axis=0)
    np.testing.assert_allclose(inside, 1, atol=0.02)


def test_no_filter_is_empty_at_the_default_sizes() -> None:
    assert (filterbank(8000, 256, 16).max(axis=1) > 0).all()
