"""What a noise model says about itself."""

import numpy as np
import pytest

from n2d.noise import NoiseModel

CAMERA = NoiseModel(
    7.0, gain=2.0, offset=100.0, read_noise=3.0, correlation=[[0.6, 0.2], [0.3, 0.05]]
)


def test_defaults_are_white_gaussian():
    noise = NoiseModel(5.0)
    assert noise.variance([0.0, 99.0]).tolist() == [25.0, 25.0]
    assert noise.reach() == (0, 0)
    assert noise.correlation.shape == (2, 4)


def test_read_noise_defaults_to_none_under_photon_noise():
    assert NoiseModel(5.0, gain=1.0).read_noise == 0


def test_variance_follows_rescaling():
    x = np.array([80.0, 100.0, 150.0])
    other = CAMERA.rescaled(0.5, 7.0)
    assert other.variance(0.5 * x + 7) == pytest.approx(0.25 * CAMERA.variance(x))
    assert other.level == 3.5
    assert np.array_equal(other.correlation, CAMERA.correlation)


def test_reach():
    assert CAMERA.reach() == (2, 1)
    assert CAMERA.reach(0.5) == (1, 0)
    assert NoiseModel(1.0, correlation=[[-0.3, 0.0], [0.0, 0.2]]).reach() == (1, 2)


def test_equal_when_all_is_equal():
    assert CAMERA == CAMERA.rescaled(1.0)
    assert hash(CAMERA) == hash(CAMERA.rescaled(1.0))
    assert CAMERA != CAMERA.rescaled(2.0)
    assert NoiseModel(1.0) != NoiseModel(1.0, correlation=np.full((2, 4), 0.1))
    assert NoiseModel(1.0) != 1.0


def test_frozen():
    with pytest.raises(AttributeError):
        CAMERA.gain = 1.0
    with pytest.raises(ValueError, match="read-only"):
        CAMERA.correlation[0, 0] = 1.0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"level": -1}, ValueError, "level must be finite and at least 0"),
        ({"level": "a"}, TypeError, "level must be one number"),
        ({"gain": np.inf}, ValueError, "gain"),
        ({"offset": np.nan}, ValueError, "offset must be finite"),
        ({"read_noise": -1}, ValueError, "read_noise"),
        ({"correlation": [0.1, 0.2]}, ValueError, "shape"),
        ({"correlation": np.full((2, 4), 1.2)}, ValueError, "within"),
        ({"correlation": np.full((2, 4), np.nan)}, ValueError, "finite"),
        ({"spread": -0.1}, ValueError, "spread must be at least 0"),
        ({"spread": np.nan}, ValueError, "spread must be at least 0"),
        ({"defects": {"hot": 0.01}}, TypeError, "defects must be of n2d.noise.Defects"),
    ],
)
def test_bad_values_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        NoiseModel(**{"level": 1.0, **arguments})


@pytest.mark.parametrize("scale", [0, -1.0, np.nan])
def test_scale_must_be_positive(scale):
    with pytest.raises(ValueError, match="scale must be above 0"):
        CAMERA.rescaled(scale)


def test_the_spectrum_is_that_of_noise_drawn():
    # A moving average along x and along the main diagonal, whose powers are known.
    rng = np.random.default_rng(0)
    white = rng.normal(size=(400, 64, 64))
    along = white + np.roll(white, 1, axis=2)
    across = white + np.roll(white, (1, 1), axis=(1, 2))
    none = [0, 0, 0, 0]
    models = [
        NoiseModel(1.0, correlation=[none, [0.5, 0, 0, 0]]),
        NoiseModel(1.0, diagonals=[[0.5, 0, 0, 0], none]),
    ]
    for fields, model in zip((along, across), models, strict=True):
        drawn = (np.abs(np.fft.fft2(fields)) ** 2).mean(axis=0)
        told = model.spectrum((64, 64))
        assert told.mean() == pytest.approx(1)
        assert np.abs(drawn / drawn.mean() - told).max() < 0.5
