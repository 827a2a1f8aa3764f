"""The prior network's stages, their mixture, and how `fit` conditions them."""

import numpy as np
import pytest
import torch

from n2d import Noise2DetailDenoiser, datasets, noise
from n2d.core.mixture import correlated_noise, smallest_risk
from n2d.core.prior import load_prior
from n2d.core.prior_stages import PriorStages
from n2d.fitting.intensities import Intensities, decorrelating_rotation


def random_images(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def correlation(y, x, n_lags=4):
    lags = torch.arange(1.0, n_lags + 1)
    return torch.stack([y**lags, x**lags])[None]


# -- stages ------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [{}, {3: 0.4}])
def test_reach_and_alignment_make_tiles_exact(weights):
    stages = PriorStages((load_prior(),), correlation(0.3, 0.1), weights, n_views=2)
    step, reach = stages.alignment, stages.reach
    size = 2 * (-(-reach // step) * step) + 4 * step
    noisy = random_images(1, 1, size, size)
    whole = stages.estimates(noisy).stage3
    halo = -(-reach // step) * step
    part = stages.estimates(noisy[..., : halo + 2 * step, : halo + 2 * step]).stage3
    inner = slice(0, 2 * step)
    torch.testing.assert_close(
        part[..., inner, inner], whole[..., inner, inner], atol=1e-5, rtol=0
    )


def test_views_are_flips_and_transposes_of_image_and_noise():
    # Averaged over all eight, the result turns with the image.
    noisy = random_images(1, 1, 32, 32)
    stages = PriorStages((load_prior(),), correlation(0.5, 0.1), {}, n_views=8)
    turned = PriorStages((load_prior(),), correlation(0.1, 0.5), {}, n_views=8)
    expected = stages.partial_denoising(noisy)
    result = turned.partial_denoising(noisy.transpose(-2, -1)).transpose(-2, -1)
    torch.testing.assert_close(result, expected, atol=1e-4, rtol=0)
    flipped = stages.partial_denoising(noisy.flip(-1)).flip(-1)
    torch.testing.assert_close(flipped, expected, atol=1e-4, rtol=0)


def test_channels_are_denoised_one_by_one():
    noisy = random_images(2, 3, 24, 32)
    told = torch.cat(
        [correlation(0.0, 0.0), correlation(0.4, 0.4), correlation(0, 0.2)]
    )
    together = PriorStages((load_prior(),), told, {2: 0.5}).estimates(noisy).stage2
    for channel in range(3):
        one = slice(channel, channel + 1)
        alone = PriorStages((load_prior(),), told[one], {2: 0.5})
        torch.testing.assert_close(
            alone.estimates(noisy[:, one]).stage2, together[:, one], atol=1e-4, rtol=0
        )


def test_phases_have_the_correlation_at_their_distance():
    seen = []

    def network(noisy, level, told, rim):
        seen.append(told)
        return noisy

    network.reach = 1
    stages = PriorStages((network,), correlation(0.8, 0.5), {})
    stages.background_refinement(random_images(1, 1, 24, 24), 2)
    stages.background_refinement(random_images(1, 1, 24, 24), 3)
    expected = torch.tensor([[0.8**2, 0.8**4], [0.5**2, 0.5**4]])
    torch.testing.assert_close(seen[0][0], expected)
    expected = torch.tensor([[0.8**3, 0.0], [0.5**3, 0.0]])
    torch.testing.assert_close(seen[1][0], expected)


# -- mixture -----------------------------------------------------------------------


def test_correlated_noise_has_the_correlation_asked_for():
    generator = torch.Generator().manual_seed(0)
    asked = torch.zeros(2, 2, 4)
    asked[0, 0, 0], asked[1, 1, :2] = 0.4, torch.tensor([0.45, 0.1])
    drawn = correlated_noise((2, 400, 500), asked, generator)
    for channel in range(2):
        z = drawn[channel]
        assert z.std().item() == pytest.approx(1, abs=1e-3)
        for lag in (1, 2):
            along_y = (z[lag:] * z[:-lag]).mean().item()
            along_x = (z[:, lag:] * z[:, :-lag]).mean().item()
            assert along_y == pytest.approx(asked[channel, 0, lag - 1].item(), abs=0.01)
            assert along_x == pytest.approx(asked[channel, 1, lag - 1].item(), abs=0.01)


def test_the_mixture_of_known_linear_estimates_is_wieners():
    # Signal of variance s and noise of variance 1: the best mixture of "keep all"
    # and "keep nothing" keeps s / (s + 1).
    signal = 2.0 * random_images(1, 256, 256)
    noisy = signal + random_images(1, 256, 256, seed=1)
    weights = smallest_risk(
        lambda y: [y, 0 * y],
        [noisy],
        torch.zeros(1, 2, 4),
        torch.Generator().manual_seed(2),
    )
    assert sum(weights) == pytest.approx(1)
    assert weights[0] == pytest.approx(4 / 5, abs=0.02)


def test_weights_are_never_negative():
    noisy = random_images(1, 128, 128)  # nothing but noise
    weights = smallest_risk(
        lambda y: [0 * y, y, 2 * y],
        [noisy],
        torch.zeros(1, 2, 4),
        torch.Generator().manual_seed(2),
    )
    assert min(weights) >= 0
    assert weights[0] == pytest.approx(1, abs=0.02)


# -- intensities -------------------------------------------------------------------


def test_intensities_keep_the_mean_of_photon_counts():
    models = (noise.NoiseModel(level=1.0, gain=0.5, read_noise=0.1),)
    intensities = Intensities((10.0, 30.0), models)
    rng = np.random.default_rng(0)
    clean = np.full((1, 400, 400), 3.0)
    counts = noise.add_poisson_gaussian_noise(clean, 0.5, 0.1, rng=rng)
    seen = intensities.forward(10 + 20 * counts)
    assert seen.std() == pytest.approx(1, abs=0.03)
    mean = np.full((1, 1, 1), seen.mean())
    assert intensities.backward(mean) == pytest.approx(10 + 20 * 3.0, rel=2e-3)


def test_rotation_decorrelates_colours_and_leaves_strangers_alone():
    rng = np.random.default_rng(0)
    grey = 10 * rng.standard_normal((1, 64, 64))
    colour = grey * np.array([1, 0.8, 0.5])[:, None, None]
    colour += rng.standard_normal(colour.shape)
    rotation = decorrelating_rotation([colour])
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    rotated = np.cov(np.tensordot(rotation, colour, axes=1).reshape(3, -1))
    np.testing.assert_allclose(rotated, np.diag(np.diag(rotated)), atol=1e-8)
    strangers = 5 * rng.standard_normal((2, 64, 64))
    assert decorrelating_rotation([strangers]) is None
    assert decorrelating_rotation([grey]) is None
    intensities = Intensities((0.0, 1.0), rotation=rotation)
    np.testing.assert_allclose(
        intensities.backward(intensities.forward(colour)), colour, atol=1e-4
    )


# -- fitting -----------------------------------------------------------------------


def scene(size=192):
    return 200 * datasets.fluorescence_cells((size, size), rng=3).astype(float) + 50


def test_the_noise_is_measured_in_the_units_of_the_image():
    noisy = noise.add_poisson_gaussian_noise(scene(), 3.0, 2.0, offset=50.0, rng=0)
    fitted = Noise2DetailDenoiser().fit(noisy)
    assert fitted.noise_.gain == pytest.approx(3.0, rel=0.2)
    variance = fitted.noise_.variance(scene()).mean()
    truth = (3.0 * (scene() - 50) + 4).mean()
    assert variance == pytest.approx(truth, rel=0.2)
    assert np.abs(fitted.noise_.correlation[:, 0]).max() < 0.1
    assert fitted.stop_reason_ in ("noise settled", "max_iter reached")


def test_the_correlation_of_the_noise_is_measured():
    noisy = noise.add_correlated_noise(scene(), 15.0, 0.7, rng=0)
    fitted = Noise2DetailDenoiser().fit(noisy)
    truth = np.exp(-1 / (4 * 0.7**2))  # of white noise blurred by a Gaussian
    np.testing.assert_allclose(fitted.noise_.correlation[:, 0], truth, atol=0.1)


def test_noise_that_is_correlated_along_one_axis_stays_so():
    # Larger than the part of the image on which the noise is measured again.
    noisy = noise.add_correlated_noise(scene(400), 20.0, (0.0, 0.6), rng=0)
    fitted = Noise2DetailDenoiser().fit(noisy)
    along_y, along_x = fitted.noise_.correlation[:, 0]
    assert abs(along_y) < 0.1
    assert along_x == pytest.approx(np.exp(-1 / (4 * 0.6**2)), abs=0.15)


@pytest.mark.parametrize("kind", ["gaussian", "poisson"])
def test_the_mean_is_kept(kind):
    clean = scene()
    rng = np.random.default_rng(0)
    if kind == "gaussian":
        noisy = noise.add_gaussian_noise(clean, 20.0, rng=rng)
    else:
        noisy = 250 * noise.add_poisson_noise(clean / 250, 4.0, rng=rng)
    denoised = Noise2DetailDenoiser().fit_transform(noisy)
    assert abs((denoised - noisy).mean()) < 1e-3 * np.ptp(clean)


def test_given_factors_enter_the_mixture_where_they_lower_the_risk():
    noisy = noise.add_correlated_noise(scene(), 25.0, 1.2, rng=0)
    fitted = Noise2DetailDenoiser(downsampling_factors=(2, 3)).fit(noisy)
    assert sum(fitted.mixture_.values()) == pytest.approx(1)
    assert set(fitted.mixture_) <= {1, 2, 3}
    assert min(fitted.mixture_.values()) >= 0
    assert Noise2DetailDenoiser().fit(noisy).mixture_ == {1: 1.0}


def test_detail_recovery_can_be_added():
    noisy = noise.add_gaussian_noise(scene(64), 20.0, rng=0)
    fitted = Noise2DetailDenoiser(detail_max_iter=3, random_state=0).fit(noisy)
    plain = Noise2DetailDenoiser(random_state=0).fit(noisy)
    assert len(fitted.networks_) == 2
    assert fitted.n_iter_ == plain.n_iter_ + 3
    # Whether its steps are kept is for Stein's risk to say; what comes before is not
    # touched.
    estimates = fitted.transform_stages(noisy)
    np.testing.assert_array_equal(estimates.stage2, plain.transform(noisy))


def test_stage_3_is_applied_to_stage_2_and_clips_nothing():
    class Doubling(torch.nn.Module):
        reach = 0

        def forward(self, x):
            return 2 * x - 1

    stages = PriorStages((load_prior(), Doubling()), correlation(0.0, 0.0), {})
    estimates = stages.estimates(5 * random_images(1, 1, 32, 32))
    torch.testing.assert_close(estimates.stage3, 2 * estimates.stage2 - 1)
    assert estimates.stage3.min() < 0
    assert estimates.stage3.max() > 1


def test_a_dead_channel_stays_dead():
    noisy = noise.add_gaussian_noise(np.stack([scene(64)] * 3), 20.0, rng=0)
    noisy[1] = 7.0
    denoised = Noise2DetailDenoiser(channel_axis=0).fit_transform(noisy)
    assert np.isfinite(denoised).all()
    np.testing.assert_allclose(denoised[1], 7.0, atol=0.5)


def test_fine_texture_everywhere_does_not_pass_for_noise():
    clean = 255 * datasets.training_scene((256, 256), kind="power law", rng=2)
    clean = clean.astype(float)
    noisy = noise.add_gaussian_noise(clean, 2.0, rng=1)
    denoiser = Noise2DetailDenoiser().fit(noisy)
    # On its own the first measurement is 1.6 times too high.
    assert noise.estimate_noise(noisy).level > 3
    assert denoiser.noise_.level < 2.3
    denoised = denoiser.transform(noisy)
    assert np.mean((denoised - clean) ** 2) < np.mean((noisy - clean) ** 2)


@pytest.mark.slow
@pytest.mark.parametrize("blur", [0.0, 0.7])
def test_detail_recovery_does_no_harm(blur):
    # On this scene the published schedule's stage 3 would lose detail or bring noise
    # back; Stein's risk tells, and few steps, or none, are kept.
    clean = datasets.fluorescence_cells((128, 128)).astype(float)
    noisy = noise.add_correlated_noise(clean, 0.1, blur, rng=3)
    errors = [
        np.mean((denoised - clean) ** 2)
        for denoised in (
            Noise2DetailDenoiser(
                detail_max_iter=n, max_iter=1, random_state=0
            ).fit_transform(noisy)
            for n in (0, 160)
        )
    ]
    assert errors[1] < 1.05 * errors[0]


def test_no_pattern_at_the_positions_of_a_grid():
    # Folding by 2 and phase images could leave one: four positions along each axis.
    noisy = np.random.default_rng(0).normal(100, 10, (256, 256))
    denoised = Noise2DetailDenoiser().fit_transform(noisy)
    phases = denoised.reshape(64, 4, 64, 4).mean(axis=(0, 2))
    assert phases.std() < 0.05
    assert abs(denoised.mean() - noisy.mean()) < 0.01
