"""Places without an intensity: not learned from, filled for the network, kept."""

import nibabel
import numpy as np
import pytest

from n2d.files.denoising import denoise_file
from n2d.images import fill_from_around
from n2d.io import read_image, write_image

FEW = {"max_iter": 2, "detail_max_iter": 0, "random_state": 0}


def test_gaps_are_filled_with_the_noise_around_them():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:96, :96]
    gaps = np.hypot(y - 48, x - 48) > 30
    noisy = rng.normal(100, 5, (96, 96))
    filled = np.where(gaps, 0, noisy)
    fill_from_around(filled, gaps)
    np.testing.assert_array_equal(filled[~gaps], noisy[~gaps])
    assert np.isin(filled, noisy[~gaps]).all()
    steps = np.diff(filled, axis=1)[:, :20]
    assert np.std(steps) == pytest.approx(5 * 2**0.5, rel=0.25)


def test_nothing_but_gaps():
    values = np.full((4, 5), np.nan)
    fill_from_around(values, np.isnan(values))
    assert not values.any()


@pytest.mark.parametrize("suffix", [".tif", ".nii", ".mrc", ".npy"])
def test_nan_stays_where_it_is(tmp_path, suffix):
    rng = np.random.default_rng(0)
    volume = rng.normal(100, 10, (3, 48, 48)).astype(np.float32)
    volume[:, :, :15] = np.nan
    volume[0] = np.nan
    volume[1, 20, 20] = np.inf
    source, target = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    write_image(source, volume, axes="ZYX")
    with pytest.raises(ValueError, match="NaN, in rows 0 to 47 and columns"):
        denoise_file(source, target, **FEW)
    assert not target.exists()
    denoise_file(source, target, nan="mask", **FEW)
    result = read_image(target).data[...]
    gaps = ~np.isfinite(volume)
    np.testing.assert_array_equal(result[gaps], volume[gaps])
    assert np.isfinite(result[~gaps]).all()
    assert 50 < result[~gaps].min()


def test_scaled_nifti_with_nan(tmp_path):
    volume = np.random.default_rng(0).normal(100, 10, (48, 48)).astype(np.float32)
    volume[:10] = np.nan
    nibabel.save(nibabel.Nifti1Image(volume.T, np.eye(4)), tmp_path / "a.nii.gz")
    denoise_file(tmp_path / "a.nii.gz", tmp_path / "b.nii.gz", nan="mask", **FEW)
    result = nibabel.load(tmp_path / "b.nii.gz").get_fdata().T
    np.testing.assert_array_equal(np.isnan(result), np.isnan(volume))
