"""The estimator and the function, as their users see them.

What it has in common with other denoisers is in test_estimators.py.
"""

import io
import re
import subprocess
import sys
from contextlib import redirect_stderr

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.utils._param_validation import InvalidParameterError

from n2d import Noise2DetailDenoiser, datasets, denoise_noise2detail, noise
from n2d.core import stages
from n2d.core.progress import Cancelled
from n2d.core.training import TrainingDiverged
from n2d.fitting.windows import sample_windows
from n2d.images import Images

SHORT = {"max_iter": 2, "detail_max_iter": 2, "random_state": 0}
SOLVERS = {
    # What is promised to the bit, or nearly, is promised in float32.
    "learned": {"solver": "fast", "init": "synthetic", "precision": "float32"},
    "random": {"solver": "fast", "init": "random"},
    "paper": {"solver": "paper"},
}


def denoiser(solver="learned", **parameters):
    return Noise2DetailDenoiser(**{**SHORT, **SOLVERS[solver], **parameters})


def noisy_image(*shape, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return (100 * rng.random(shape) + 20).astype(dtype)


# -- intensities -------------------------------------------------------------------


@pytest.mark.parametrize("solver", SOLVERS)
def test_constant_images_come_back_unchanged_with_a_data_range(solver):
    X = np.full((9, 12), 0.1)
    estimator = denoiser(solver, data_range=(-3, 700)).fit(X)
    np.testing.assert_array_equal(estimator.transform(X), X)
    assert estimator.data_range_ == (-3, 700)
    with pytest.raises(ValueError, match="data_range must be"):
        denoiser(solver, data_range=(5, 1)).fit(X)


def test_a_stack_with_a_dead_frame():
    X = noisy_image(3, 32, 32, dtype=np.uint16)
    X[1] = 0
    result = denoiser(max_iter=20).fit_transform(X)
    assert np.isfinite(result).all()


def test_the_scale_is_one_for_all_images_and_is_kept():
    X = noisy_image(2, 16, 16)
    X[1] *= 10
    estimator = denoiser().fit(X)
    assert estimator.data_range_ == (X.min(), X.max())
    assert denoiser(data_range=(-5, 3000)).fit(X).data_range_ == (-5, 3000)


@pytest.mark.parametrize("solver", SOLVERS)
def test_only_the_paper_clips(solver):
    X = noisy_image(16, 16) + 100 * np.eye(16)
    narrow = (X.mean() - 1, X.mean() + 1)
    for n in (0, 2):
        result = denoiser(solver, data_range=narrow, detail_max_iter=n).fit_transform(X)
        inside = narrow[0] - 1e-5 <= result.min() and result.max() <= narrow[1] + 1e-5
        assert inside == (solver == "paper")


# -- the solvers -------------------------------------------------------------------


def test_the_paper_solver_is_run_paper(monkeypatch):
    runs = []
    run_paper = stages.run_paper
    monkeypatch.setattr(
        stages, "run_paper", lambda *a, **k: runs.append(run_paper(*a, **k)) or runs[-1]
    )
    X = noisy_image(18, 22)
    estimator = denoiser(solver="paper", max_iter=3)
    result = estimator.fit_transform(X)
    (run,) = runs
    span = np.ptp(X)
    np.testing.assert_allclose(
        result, X.min() + span * run.stage3[0, 0, :18, :22].numpy(), atol=1e-6 * span
    )
    assert estimator.loss_curve_ == [*run.losses[0], *run.losses[1]]
    assert estimator.n_iter_ == 3 + 2


def test_transform_stages():
    X = noisy_image(18, 22)
    estimator = denoiser("random", downsampling_factors=(2, 3)).fit(X)
    estimates = estimator.transform_stages(X)
    np.testing.assert_array_equal(estimates.stage3, estimator.transform(X))
    assert list(estimates.stage2_factors) == [2, 3]
    mean = (estimates.stage1 + sum(estimates.stage2_factors.values())) / 3
    np.testing.assert_allclose(estimates.stage2, mean, atol=1e-4)
    plain = denoiser("random", downsampling_factors=(), detail_max_iter=0).fit(X)
    estimates = plain.transform_stages(X)
    np.testing.assert_array_equal(estimates.stage3, estimates.stage1)
    assert estimates.stage2_factors == {}
    assert len(plain.networks_) == 1
    assert plain.n_iter_ == 2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*stronger than the contrast")  # nothing but noise
@pytest.mark.parametrize("factors", [(2, 4), (3,), ()])
@pytest.mark.parametrize("solver", SOLVERS)
def test_tiles_change_nothing(monkeypatch, solver, factors):
    X = noisy_image(83, 101)
    estimator = denoiser(solver=solver, downsampling_factors=factors).fit(X)
    whole = estimator.transform(X)
    # The prior network sees all of the image from every tile: a few will do.
    side = 48 if solver == "learned" else 16
    monkeypatch.setattr("n2d.applying.tiled._LARGEST_TILE", side)
    tiled = estimator.transform(X)
    np.testing.assert_allclose(tiled, whole, rtol=0, atol=1e-6 * np.ptp(X))


@pytest.mark.parametrize(
    ("model", "floor"),
    [("gaussian", 9.0), ("poisson", 9.0), ("poisson-gaussian", 9.0), ("blurred", 6.0)],
)
def test_gain_floor_on_the_bundled_scene(model, floor):
    clean = datasets.fluorescence_cells((128, 128)).astype(float)
    rng = np.random.default_rng(1)
    noisy = {
        "gaussian": lambda: noise.add_gaussian_noise(clean, 0.1, rng=rng),
        "poisson": lambda: noise.add_poisson_noise(clean, 30, rng=rng),
        "poisson-gaussian": lambda: noise.add_poisson_gaussian_noise(
            clean, 0.02, 0.03, offset=-0.1, rng=rng
        ),
        "blurred": lambda: noise.add_correlated_noise(clean, 0.1, 0.7, rng=rng),
    }[model]()
    assert gain(noisy, clean, denoise_noise2detail(noisy, rng=0)) > floor


def gain(noisy, clean, denoised):
    """Gain in dB."""
    errors = [np.mean((image - clean) ** 2) for image in (noisy, denoised)]
    return 10 * np.log10(errors[0] / errors[1])


# -- randomness and global state ---------------------------------------------------


def test_same_seed_same_bits():
    X = noisy_image(40, 40)
    results = [
        denoiser("random", random_state=0).fit_transform(X),
        denoise_noise2detail(X, init="random", rng=0, max_iter=2, detail_max_iter=2),
        denoiser("random", random_state=1).fit_transform(X),
        denoiser("random", random_state=None).fit_transform(X),
        denoiser("random", random_state=None).fit_transform(X),
    ]
    np.testing.assert_array_equal(results[0], results[1])
    for i, one in enumerate(results[1:]):
        for other in results[i + 2 :]:
            assert not np.array_equal(one, other)


def test_generators_and_random_states_are_accepted_and_advance():
    X = noisy_image(20, 20)
    rng = np.random.default_rng(0)
    short = {"init": "random", "max_iter": 2, "detail_max_iter": 2}
    first, second = (denoise_noise2detail(X, rng=rng, **short) for _ in range(2))
    assert not np.array_equal(first, second)
    again = denoise_noise2detail(X, rng=np.random.default_rng(0), **short)
    np.testing.assert_array_equal(first, again)
    a, b = (
        denoiser("random", random_state=np.random.RandomState(3)).fit_transform(X)
        for _ in range(2)
    )
    np.testing.assert_array_equal(a, b)


def test_global_state_is_untouched():
    def state():
        return (
            torch.get_rng_state().numpy().tobytes(),
            np.random.get_state()[1].tobytes(),  # noqa: NPY002
            torch.get_num_threads(),
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
            np.geterr(),
        )

    before = state()
    for seed in (0, None):
        denoiser(random_state=seed).fit_transform(noisy_image(20, 20))
    assert state() == before


@pytest.mark.parametrize("solver", SOLVERS)
def test_torchs_default_dtype_does_not_matter(solver):
    X = noisy_image(20, 20)
    expected = denoiser(solver).fit_transform(X)
    torch.set_default_dtype(torch.float64)
    try:
        result = denoiser(solver).fit_transform(X)
    finally:
        torch.set_default_dtype(torch.float32)
    np.testing.assert_allclose(result, expected, atol=1e-3 * np.ptp(X))


def test_divergence_in_the_last_step_is_noticed():
    estimator = denoiser("random", learning_rate=1e30, max_iter=1, detail_max_iter=0)
    with pytest.raises(TrainingDiverged, match="lower learning_rate"):
        estimator.fit(noisy_image(20, 20))


def test_a_tiny_image_among_large_ones_does_not_shrink_what_is_learned_from():
    X = [noisy_image(64, 80), noisy_image(5, 7)]
    windows = sample_windows(
        Images(X), np.random.default_rng(0), side=48, max_pixels=10**5, multiple=8
    )
    assert min(min(window.shape[1:]) for window in windows) >= 48


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_fits_inside_contexts_without_gradients(context):
    X = noisy_image(20, 20)
    expected = denoiser().fit_transform(X)
    with context():
        np.testing.assert_array_equal(denoiser().fit_transform(X), expected)


def test_one_thread_and_two_agree():
    X = noisy_image(40, 40)
    threads = torch.get_num_threads()
    try:
        results = []
        for n in (1, 2):
            torch.set_num_threads(n)
            results.append(denoiser(max_iter=2, detail_max_iter=2).fit_transform(X))
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_allclose(*results, rtol=0, atol=1e-5 * np.ptp(X))


# -- callbacks, failures, progress -------------------------------------------------


@pytest.mark.parametrize("solver", SOLVERS)
def test_callback_reports_every_step(solver):
    seen = []
    estimator = denoiser(solver=solver, max_iter=3)
    estimator.fit(noisy_image(16, 16), callback=seen.append)
    steps = [(progress.stage, progress.step, progress.total) for progress in seen]
    n_first = len(steps) - 2
    assert n_first == 3 or (solver == "learned" and 1 <= n_first <= 3)
    assert steps == [
        *(("partial denoising", i + 1, 3) for i in range(n_first)),
        *(("detail recovery", i, 2) for i in (1, 2)),
    ]
    assert [progress.loss for progress in seen] == estimator.loss_curve_


def fitted_state(estimator):
    return {name: id(value) for name, value in vars(estimator).items()}


@pytest.mark.parametrize("stage", ["partial denoising", "detail recovery"])
def test_cancelling_leaves_the_estimator_as_it_was(stage):
    estimator = denoiser()

    def cancel(progress):
        return progress.stage == stage

    with pytest.raises(Cancelled, match=stage):
        estimator.fit(noisy_image(16, 16), callback=cancel)
    with pytest.raises(NotFittedError):
        estimator.transform(noisy_image(16, 16))
    estimator.fit(noisy_image(16, 16))
    before = fitted_state(estimator)
    with pytest.raises(Cancelled):
        estimator.fit(noisy_image(20, 20), callback=cancel)
    assert fitted_state(estimator) == before


def test_interrupting_leaves_the_estimator_as_it_was():
    estimator = denoiser().fit(noisy_image(16, 16))
    before = fitted_state(estimator)

    def interrupt(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        estimator.fit(noisy_image(20, 20), callback=interrupt)
    assert fitted_state(estimator) == before


@pytest.mark.parametrize("solver", ["random", "paper"])
def test_divergence_is_an_error_and_leaves_the_estimator_as_it_was(solver):
    estimator = denoiser(solver=solver).fit(noisy_image(16, 16))
    before = fitted_state(estimator)
    estimator.set_params(learning_rate=1e30, max_iter=20)
    with pytest.raises(TrainingDiverged, match="lower learning_rate"):
        estimator.fit(noisy_image(20, 20))
    estimator.set_params(learning_rate="auto", max_iter=2)
    assert {k: before[k] for k in before if k.endswith("_")} == {
        k: v for k, v in fitted_state(estimator).items() if k.endswith("_")
    }


def test_verbose_draws_a_bar_on_stderr(capsys):
    stderr = io.StringIO()
    with redirect_stderr(stderr):
        many = denoiser(verbose=1, max_iter=12, detail_max_iter=11)
        many.fit(noisy_image(16, 16))
    assert re.search("training the network.* 1/12 steps", stderr.getvalue())
    assert re.search("training for detail.* 11/11 steps", stderr.getvalue())
    denoiser().fit(noisy_image(16, 16))
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"init": "synthetic", "hidden_channels": 7}, "does not ship for hidden_cha"),
        ({"init": "synthetic", "solver": "paper"}, "init='synthetic' is for solver"),
        ({"solver": "slow"}, "The 'solver' parameter of Noise2DetailDenoiser must be"),
        ({"init": "zeros"}, "The 'init' parameter"),
        ({"max_iter": 0}, "The 'max_iter' parameter"),
        ({"detail_max_iter": -1}, "The 'detail_max_iter' parameter"),
        ({"hidden_channels": 1.5}, "The 'hidden_channels' parameter"),
        ({"learning_rate": 0}, "The 'learning_rate' parameter"),
        ({"channel_axis": "last"}, "The 'channel_axis' parameter"),
        ({"downsampling_factors": 2}, "The 'downsampling_factors' parameter"),
        ({"downsampling_factors": (1, 2)}, "downsampling_factors must be"),
        ({"downsampling_factors": (2, 2)}, "downsampling_factors must be"),
        ({"downsampling_factors": "all"}, "The 'downsampling_factors' parameter"),
        ({"data_range": (3, 3)}, "data_range must be"),
        ({"data_range": (0, np.inf)}, "data_range must be"),
        ({"data_range": (1, 2, 3)}, "data_range must be"),
        ({"device": "abacus"}, "device='abacus' is no device"),
        ({"device": "cuda:99"}, "device='cuda:99' is not available"),
        ({"random_state": "lucky"}, "The 'random_state' parameter"),
    ],
)
def test_bad_parameters_are_named(parameters, message):
    estimator = Noise2DetailDenoiser(**{**SHORT, **parameters})
    with pytest.raises(ValueError, match=message) as info:
        estimator.fit(noisy_image(8, 8))
    if "parameter" in message:
        assert isinstance(info.value, InvalidParameterError)
    with pytest.raises(NotFittedError):
        estimator.transform(noisy_image(8, 8))


# -- scikit-learn habits -----------------------------------------------------------


def test_a_model_that_names_a_missing_device_runs_on_the_cpu_with_a_warning():
    X = noisy_image(20, 24)
    estimator = denoiser().fit(X)
    expected = estimator.transform(X)
    estimator.device = "cuda:99"  # as after loading a model from another machine
    with pytest.warns(RuntimeWarning, match="cuda:99.* using the CPU"):
        np.testing.assert_array_equal(estimator.transform(X), expected)


def test_parameters_of_the_function_are_those_of_the_estimator():
    import inspect

    function = inspect.signature(denoise_noise2detail).parameters
    estimator = inspect.signature(Noise2DetailDenoiser).parameters
    expected = {name: p.default for name, p in estimator.items()}
    del expected["random_state"], expected["verbose"]
    given = {name: p.default for name, p in function.items() if name != "image"}
    assert given.pop("rng") is None
    assert given == expected


@pytest.mark.slow
def test_ctrl_c_during_a_long_fit_ends_the_process(tmp_path):
    code = (
        "import os, signal, numpy as np\n"
        "from n2d import Noise2DetailDenoiser\n"
        "def stop(progress):\n"
        "    if progress.step == 2: os.kill(os.getpid(), signal.SIGINT)\n"
        "denoiser = Noise2DetailDenoiser(init='random', max_iter=10**6)\n"
        "denoiser.fit(np.eye(32), callback=stop)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, timeout=300
    )
    assert done.returncode != 0
    assert b"KeyboardInterrupt" in done.stderr


@pytest.mark.parametrize("fill", [0, 117, 255])
@pytest.mark.parametrize("width", [20, 50])
def test_a_fill_around_an_image_does_not_hide_its_noise(fill, width):
    """As rotation, registration and reconstruction put around it."""
    clean = 255.0 * datasets.fluorescence_cells((192, 192))
    noisy = clean + np.random.default_rng(0).normal(0, 20, clean.shape)
    inner = np.s_[width:-width, width:-width]
    filled = np.full(clean.shape, float(fill))
    filled[inner] = noisy[inner]
    estimator = denoiser("learned")
    denoised = estimator.fit_transform(filled)
    assert 18 < estimator.noise_.level < 22
    before = np.std(noisy[inner] - clean[inner])
    assert np.std(denoised[inner] - clean[inner]) < before / 2.5
