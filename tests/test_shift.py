"""Shifts of images, features mapped back, and the alarm for drift."""

import numpy as np
import pytest

from helpers import shift


@pytest.fixture
def pixels():
    return np.random.default_rng(1).integers(0, 256, (3, 40, 40, 3), dtype="uint8")


@pytest.mark.parametrize("name", shift.SHIFTS)
def test_a_shift_keeps_the_form_and_changes_the_pixels(name, pixels):
    before = pixels.copy()
    after = shift.shifted(pixels, name)
    assert after.shape == pixels.shape and after.dtype == "uint8"
    assert np.array_equal(after, pixels) == (name == "clean")
    assert np.array_equal(pixels, before)
    assert np.array_equal(shift.shifted(pixels, name), after)


def test_shifts_do_what_they_are_called(pixels):
    assert np.array_equal(shift.shifted(shift.shifted(pixels, "negative"), "negative"), pixels)
    turned = shift.shifted(pixels, "on its side")
    assert np.array_equal(turned[0], np.rot90(pixels[0]))
    assert np.ptp(shift.shifted(pixels, "grey"), axis=3).max() == 0
    assert shift.shifted(pixels, "haze").std() < 0.5 * pixels.std()
    assert np.diff(shift.shifted(pixels, "moonlight").mean((0, 1, 2)))[1] > 0  # blue stays
    flat = np.full((2, 80, 80, 3), 128, "uint8")
    assert shift.shifted(flat, "noise").std() == pytest.approx(35, abs=2)
    spot = flat * 0
    spot[:, 40, 40] = 255
    wide = shift.shifted(np.minimum(255, 20 * spot.astype(int)), "blur")
    assert (wide[0, :, 40, 0] > 0).sum() > 5 and wide.sum() > 0
    assert np.array_equal(wide[0, 40], wide[0, :, 40])  # as far in both directions


def test_a_wrong_shift_is_named(pixels):
    with pytest.raises(ValueError, match="no shift 'fog': choose one of clean, grey"):
        shift.shifted(pixels, "fog")
    with pytest.raises(ValueError, match=r"not \(40, 40, 3\)"):
        shift.shifted(pixels[0], "blur")


def features(n, d=5, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d)


def test_standardise_by_itself_and_by_others():
    x, other = features(200), features(300, seed=1)
    own = shift.standardise(x)
    assert np.allclose(own.mean(0), 0) and np.allclose(own.std(0), 1)
    assert np.allclose(shift.standardise(x, other), (x - other.mean(0)) / other.std(0))
    x[:, 2] = 3.0
    assert np.all(shift.standardise(x)[:, 2] == 0) and np.isfinite(shift.standardise(x)).all()


def test_coral_gives_the_source_the_targets_mean_and_covariance():
    source, target = features(400), features(500, seed=1)
    moved = shift.coral(source, target, ridge=0)
    assert np.allclose(moved.mean(0), target.mean(0))
    assert np.allclose(np.cov(moved.T), np.cov(target.T))
    rounded = shift.coral(source, target)
    gap = [np.linalg.norm(np.cov(x.T) - np.cov(target.T)) for x in (source, rounded)]
    assert gap[1] < gap[0]
    assert np.allclose(shift.coral(source, source), source)
    assert np.isfinite(shift.coral(features(4), target)).all()  # fewer examples than columns


def test_drift_is_seldom_seen_where_there_is_none_and_always_where_there_is():
    rng = np.random.default_rng(0)
    reference = rng.normal(size=400)
    same = [shift.drift(reference, rng.normal(size=50)) < 0.05 for _ in range(200)]
    assert np.mean(same) < 0.1
    assert all(shift.drift(reference, rng.normal(1.5, 1, 50)) < 0.05 for _ in range(20))
    wide = [shift.drift(reference, rng.normal(0, 4, 50)) < 0.05 for _ in range(20)]
    assert all(wide)  # the mean is the same, the spread is not


def test_drift_of_features_pays_for_looking_at_many():
    rng = np.random.default_rng(0)
    reference = rng.normal(size=(400, 30))
    same = [shift.drift(reference, rng.normal(size=(50, 30))) < 0.05 for _ in range(100)]
    assert np.mean(same) < 0.12
    window = rng.normal(size=(50, 30))
    window[:, 7] += 2
    assert shift.drift(reference, window) < 0.05
    assert shift.drift(reference, reference) == 1.0


def test_what_cannot_be_compared_is_said():
    for window in (np.zeros((5, 3)), np.zeros(5), np.zeros((0, 2))):
        with pytest.raises(ValueError, match="Cannot compare"):
            shift.drift(np.zeros((10, 2)), window)
    broken = np.zeros((10, 2))
    broken[3, 1] = np.nan  # must not pass for a world without drift
    for pair in ((np.zeros((10, 2)), broken), (broken, np.zeros((10, 2)))):
        with pytest.raises(ValueError, match="without NaN"):
            shift.drift(*pair)
