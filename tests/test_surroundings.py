"""What a program has set, and what it has at hand, does not matter."""

import multiprocessing
import subprocess
import sys
import threading

import numpy as np
import pytest
import sklearn
import torch
from PIL import Image

from n2d import Noise2DetailDenoiser, denoise_noise2detail
from n2d.core import team
from n2d.files import denoise_file
from n2d.images import Images
from n2d.io import write_image

NOISY = np.random.default_rng(0).poisson(20, (48, 48)).astype(np.float32)
FEW = {"max_iter": 2, "detail_max_iter": 0}


def denoised(image, **parameters):
    return denoise_noise2detail(image, rng=0, **FEW, **parameters)


def test_arrays_whatever_scikit_learn_is_told():
    with sklearn.config_context(transform_output="pandas"):
        assert type(denoised(NOISY)) is np.ndarray
        assert denoised(np.stack([NOISY, NOISY])).shape == (2, 48, 48)


def test_errors_of_numpy_and_devices_of_torch_are_the_users():
    expected = denoised(NOISY, device="cpu")
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(denoised(NOISY, device="cpu"), expected)
        assert np.geterr()["under"] == "raise"
    torch.set_default_device("meta")
    try:
        np.testing.assert_array_equal(denoised(NOISY, device="cpu"), expected)
        assert torch.zeros(1).device.type == "meta"
    finally:
        torch.set_default_device("cpu")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        np.testing.assert_array_equal(denoised(NOISY, device="cpu"), expected)


@pytest.mark.parametrize(
    "image",
    [
        torch.tensor(NOISY, requires_grad=True),
        torch.tensor(NOISY).to(torch.bfloat16),
        np.ma.masked_array(NOISY),
        np.ma.masked_array(NOISY, mask=np.zeros_like(NOISY, bool)),
        Image.fromarray(NOISY.astype(np.uint8)),
    ],
    ids=["with gradient", "bfloat16", "without a mask", "nothing masked", "Pillow"],
)
def test_images_of_other_libraries(image):
    for X in (image, [image, image]):
        images = Images(X)
        assert len(images) == (2 if isinstance(X, list) else 1)
        for one in images.arrays:
            np.testing.assert_allclose(one, NOISY)  # integers up to 40


def test_a_mask_that_hides_something_is_refused():
    with pytest.raises(TypeError, match="masked array"):
        Images(np.ma.masked_array(NOISY, mask=NOISY > 25))


def test_xarray_in_memory_gives_an_array_without_dask():
    xarray = pytest.importorskip("xarray")
    image = xarray.DataArray(NOISY, dims=("y", "x"))
    assert not Images(image).are_lazy
    code = (
        "import sys; sys.modules['dask'] = sys.modules['dask.array'] = None\n"
        "import numpy as np, xarray as xr, n2d\n"
        "image = xr.DataArray(np.random.default_rng(0).poisson(20., (48, 48)) * 1.)\n"
        "result = n2d.denoise_noise2detail(image, rng=0, max_iter=2, "
        "detail_max_iter=0)\n"
        "assert type(result) is np.ndarray, type(result)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    target = xarray.DataArray(np.zeros((48, 48), np.float32), dims=("y", "x"))
    denoiser = Noise2DetailDenoiser(random_state=0, **FEW).fit(NOISY)
    denoiser.transform(NOISY, out=target)
    np.testing.assert_array_equal(target, denoiser.transform(NOISY))


def _mean_in_child(queue):
    queue.put(float(denoised(NOISY, device="cpu").mean()))


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="no fork here"
)
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_of_a_process_that_has_computed_with_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        expected = denoised(NOISY, device="cpu").mean()
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        child = context.Process(target=_mean_in_child, args=(queue,))
        child.start()
        try:
            assert queue.get(timeout=600) == pytest.approx(float(expected), rel=1e-4)
        finally:
            child.kill()
    finally:
        torch.set_num_threads(before)


def test_files_and_models_are_undisturbed(tmp_path):
    write_image(tmp_path / "a.tif", np.stack([NOISY] * 3), axes="TYX")
    fitted = Noise2DetailDenoiser(random_state=0, **FEW).fit(NOISY * 1e-310)
    with torch.device("meta"), np.errstate(all="raise"):
        denoise_file(tmp_path / "a.tif", tmp_path / "b.tif", random_state=0, **FEW)
        fitted.save(tmp_path / "a.n2d")
        Noise2DetailDenoiser.load(tmp_path / "a.n2d")
    with sklearn.config_context(transform_output="pandas"):
        assert np.isfinite(fitted.score(np.stack([NOISY, NOISY]) * 1e-310))


def test_numbers_of_a_palette_are_no_intensities():
    picture = Image.fromarray(NOISY.astype(np.uint8)).quantize(8)
    for X, name in ((picture, "X"), ([picture], r"X\[0\]")):
        with pytest.raises(TypeError, match=rf'palette.*{name}\.convert\("RGB"\)'):
            Images(X)


def test_whoever_computes_cuts_the_same_strips():
    # In bfloat16 strips of other sizes may be rounded otherwise: the result would
    # depend on which thread was free.
    cuts, everyone = [], threading.Barrier(2, timeout=60)

    def cut(height):
        everyone.wait()  # one each
        cuts.append(team._strips(height, 400))

    with team.team(2):
        team.share(cut, [(100,), (100,)])
    assert cuts[0] == cuts[1]
    assert len(cuts[0]) > 1
