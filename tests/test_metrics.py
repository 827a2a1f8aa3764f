import math

import numpy as np
import pytest

from n2d.metrics import micro_ssim, psnr, scale_invariant_psnr, ssim


def scene(shape=(40, 52), seed=0):
    rng = np.random.default_rng(seed)
    clean = np.cumsum(np.cumsum(rng.normal(size=shape), axis=0), axis=1)
    return (clean - clean.min()) / np.ptp(clean)


def ssim_by_hand(clean, estimate, data_range):
    """Wang et al. (2004) as written there: every window spelled out."""
    taps = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    weights = np.outer(taps, taps) / taps.sum() ** 2
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    values = []
    for i in range(clean.shape[0] - 10):
        for j in range(clean.shape[1] - 10):
            x, y = clean[i : i + 11, j : j + 11], estimate[i : i + 11, j : j + 11]
            mx, my = (weights * x).sum(), (weights * y).sum()
            vx, vy = (weights * (x - mx) ** 2).sum(), (weights * (y - my) ** 2).sum()
            cov = (weights * (x - mx) * (y - my)).sum()
            values.append(
                (2 * mx * my + c1)
                * (2 * cov + c2)
                / ((mx**2 + my**2 + c1) * (vx + vy + c2))
            )
    return np.mean(values)


def test_psnr_of_a_known_error():
    clean = np.full((5, 7), 100, dtype=np.uint8)
    assert psnr(clean, clean + 2.55, 255) == pytest.approx(40, abs=1e-9)
    assert psnr(clean, clean, 255) == math.inf


def test_psnr_does_not_wrap_around_or_round():
    clean = np.zeros((4, 4), dtype=np.uint8)
    estimate = np.ones((4, 4), dtype=np.uint8)
    expected = 20 * math.log10(255)
    assert psnr(clean, estimate, 255) == pytest.approx(expected, abs=1e-12)
    assert psnr(estimate, clean, 255) == pytest.approx(expected, abs=1e-12)
    assert psnr(clean, np.full((4, 4), 0.4), 255) < math.inf


def test_psnr_counts_what_lies_outside_the_data_range():
    clean = np.zeros((4, 4))
    assert psnr(clean, clean - 0.5, 1) == pytest.approx(psnr(clean, clean + 0.5, 1))


@pytest.mark.parametrize("factor", [1e-3, 1, 4095.0])
def test_both_are_indifferent_to_the_unit(factor):
    clean = scene()
    noisy = clean + np.random.default_rng(1).normal(0, 0.1, clean.shape)
    assert psnr(clean * factor, noisy * factor, factor) == pytest.approx(
        psnr(clean, noisy, 1), abs=1e-9
    )
    assert ssim(clean * factor, noisy * factor, factor) == pytest.approx(
        ssim(clean, noisy, 1), abs=1e-9
    )


def test_ssim_equals_the_definition():
    clean = scene()
    noisy = clean + np.random.default_rng(1).normal(0, 0.1, clean.shape)
    assert ssim(clean, noisy, 1.0) == pytest.approx(
        ssim_by_hand(clean, noisy, 1.0), abs=1e-9
    )


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_ssim_of_channels_is_their_mean(axis):
    channels = [scene(seed=seed) for seed in range(3)]
    noise = np.random.default_rng(5).normal(0, 0.1, (3, *channels[0].shape))
    clean = np.stack(channels)
    expected = np.mean([ssim(c, c + n, 1) for c, n in zip(clean, noise, strict=True)])
    moved, moved_noisy = (np.moveaxis(a, 0, axis) for a in (clean, clean + noise))
    assert ssim(moved, moved_noisy, 1, channel_axis=axis) == pytest.approx(expected)


def test_ssim_of_a_stack_is_the_mean_of_its_images_and_never_a_volume():
    clean = np.stack([scene(seed=seed) for seed in range(2)])
    noisy = clean + np.random.default_rng(5).normal(0, 0.1, clean.shape)
    expected = np.mean([ssim(c, n, 1) for c, n in zip(clean, noisy, strict=True)])
    assert ssim(clean, noisy, 1) == pytest.approx(expected)
    rgb = np.stack([clean] * 3, axis=-1)
    rgb_noisy = np.stack([noisy] * 3, axis=-1)
    assert ssim(rgb, rgb_noisy, 1, channel_axis=-1) == pytest.approx(expected)


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (10, 10), (11, 4)])
def test_ssim_of_images_smaller_than_its_window(shape):
    clean = np.random.default_rng(0).uniform(size=shape)
    noisy = clean + np.random.default_rng(1).normal(0, 0.3, shape)
    assert ssim(clean, clean, 1) == pytest.approx(1)
    assert ssim(clean, noisy, 1) < 1
    # Mirroring must not prefer a side.
    assert ssim(clean[::-1], noisy[::-1], 1) == pytest.approx(ssim(clean, noisy, 1))
    assert ssim(clean.T, noisy.T, 1) == pytest.approx(ssim(clean, noisy, 1))


def test_inputs_are_not_modified():
    clean, noisy = scene(), scene(seed=1)
    before = clean.copy(), noisy.copy()
    for a in (clean, noisy):
        a.flags.writeable = False
    psnr(clean, noisy, 1)
    ssim(clean, noisy, 1)
    np.testing.assert_array_equal(clean, before[0])
    np.testing.assert_array_equal(noisy, before[1])


@pytest.mark.parametrize("metric", [psnr, ssim])
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"estimate": np.zeros((4, 5))}, ValueError, "same shape"),
        ({"estimate": np.full((4, 4), np.nan)}, ValueError, "estimate contains NaN"),
        ({"clean": np.full((4, 4), 1j)}, TypeError, "clean must hold real"),
        (
            {"clean": np.ma.masked_equal(np.eye(4), 1)},
            TypeError,
            "clean is a masked array",
        ),
        ({"clean": np.zeros((0, 4))}, ValueError, "clean has no pixels"),
        ({"data_range": 0}, ValueError, "data_range must be finite and above 0"),
        ({"data_range": -1}, ValueError, "data_range must be finite and above 0"),
        ({"data_range": np.nan}, ValueError, "data_range must be finite and above 0"),
        ({"data_range": None}, TypeError, "data_range must be one number"),
        ({"data_range": (0, 255)}, TypeError, "data_range must be one number"),
    ],
)
def test_bad_arguments_are_named(metric, change, error, message):
    arguments = {
        "clean": np.zeros((4, 4)),
        "estimate": np.ones((4, 4)),
        "data_range": 1.0,
    }
    with pytest.raises(error, match=message):
        metric(**(arguments | change))


@pytest.mark.parametrize(
    ("shape", "channel_axis", "message"),
    [
        ((16,), None, r"must be \(H, W\) or \(n, H, W\)"),
        ((2, 16, 16, 3), None, "give channel_axis"),
        ((16, 16), -1, "3 axes, or 4"),
        ((16, 16, 3), 3, "no axis"),
        ((2, 3, 16, 16), 0, "axis 0 is the images"),
        ((2, 3, 16, 16), -4, "axis 0 is the images"),
    ],
)
def test_ssim_refuses_axes_it_would_have_to_guess(shape, channel_axis, message):
    with pytest.raises(ValueError, match=message):
        ssim(np.zeros(shape), np.ones(shape), 1, channel_axis=channel_axis)


@pytest.mark.parametrize("metric", [scale_invariant_psnr, micro_ssim])
def test_scale_free_metrics_ignore_gain_and_offset(metric):
    clean = 200 * scene() + 100
    noisy = clean + np.random.default_rng(3).normal(0, 20, clean.shape)
    value = metric(clean, noisy)
    assert metric(clean, 0.03 * noisy - 7) == pytest.approx(value, rel=1e-6)
    assert metric(5 * clean + 1000, noisy) == pytest.approx(value, rel=1e-6)
    perfect = metric(clean, 3 * clean + 1)
    assert perfect == pytest.approx(1) if metric is micro_ssim else perfect > 250


def test_scale_invariant_psnr_is_psnr_of_the_best_fitting_line():
    clean = scene()
    noisy = 3 * clean + np.random.default_rng(4).normal(0, 0.3, clean.shape) + 2
    slope, intercept = np.polyfit(noisy.ravel(), clean.ravel(), 1)
    expected = psnr(clean, slope * noisy + intercept, np.ptp(clean))
    assert scale_invariant_psnr(clean, noisy) == pytest.approx(expected, abs=1e-9)
    expected = psnr(clean, slope * noisy + intercept, 7.0)
    assert scale_invariant_psnr(clean, noisy, 7.0) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("estimate", [np.zeros((40, 52)), -scene()])
def test_scale_invariant_psnr_of_nothing_in_common_is_that_of_the_mean(estimate):
    clean = scene()
    expected = psnr(clean, np.full(clean.shape, clean.mean()), np.ptp(clean))
    assert scale_invariant_psnr(clean, estimate) == pytest.approx(expected, abs=1e-9)


def test_micro_ssim_is_the_highest_ssim_over_gains():
    rng = np.random.default_rng(5)
    clean = 300 * scene() + 100
    dim = 0.2 * clean + rng.normal(0, 8, clean.shape)
    x, y = clean - np.percentile(clean, 3), dim - np.percentile(dim, 3)
    gains = np.geomspace(0.5, 30, 200)
    expected = max(ssim(x, a * y, x.max()) for a in gains)
    # Windows at the border are in the search, but not in the mean.
    assert micro_ssim(clean, dim) == pytest.approx(expected, abs=0.01)
    assert ssim(clean, dim, x.max()) < 0.5 * expected


def test_micro_ssim_falls_with_noise_and_takes_channels():
    rng = np.random.default_rng(6)
    clean = np.stack([scene(seed=seed) for seed in range(3)])
    noise = rng.normal(0, 1, clean.shape)
    values = [micro_ssim(clean, clean + level * noise) for level in (0, 0.1, 0.5)]
    assert values == sorted(values, reverse=True)
    assert values[0] == pytest.approx(1)
    colour = micro_ssim(clean, clean + 0.1 * noise, channel_axis=0)
    each = [micro_ssim(c, c + 0.1 * n) for c, n in zip(clean, noise, strict=True)]
    assert colour == pytest.approx(np.mean(each))


@pytest.mark.parametrize("metric", [scale_invariant_psnr, micro_ssim])
def test_scale_free_metrics_ask_for_a_range_where_there_is_none(metric):
    flat = np.full((16, 16), 3.0)
    with pytest.raises(ValueError, match="give data_range"):
        metric(flat, scene((16, 16)))
    assert metric(flat, scene((16, 16)), 1.0) > 0
