"""Standard errors in files of their own, beside results."""

import numpy as np
import pydicom
import pytest
import tifffile
from typer.testing import CliRunner

from n2d import Noise2DetailDenoiser, denoise_file
from n2d.cli import app
from n2d.io import read_image, write_image

TOLD = {"noise": 9.0, "random_state": 0}  # nothing has to be measured


def noisy(shape=(32, 40), dtype=np.uint16, seed=0):
    rng = np.random.default_rng(seed)
    scene = np.linspace(500, 900, shape[-1]) * np.ones(shape)
    return (scene + rng.normal(0, 9, shape)).astype(dtype)


def write_dicom(path, pixels, **more):
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data.SOPClassUID = pydicom.uid.CTImageStorage
    data.SOPInstanceUID, data.SeriesInstanceUID = "1.2.3.4", "1.2.3"
    data.SeriesDescription = "a long name " * 5
    data.Rows, data.Columns = pixels.shape[:2]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    if pixels.ndim == 3:
        data.SamplesPerPixel, data.PhotometricInterpretation = 3, "RGB"
        data.PlanarConfiguration = 0
    data.BitsAllocated = 8 * pixels.itemsize
    data.BitsStored, data.PixelRepresentation = min(12, data.BitsAllocated), 0
    data.HighBit = data.BitsStored - 1
    data.PixelData = pixels.tobytes()
    data["PixelData"].VR = "OW" if pixels.itemsize > 1 else "OB"
    for name, value in more.items():
        setattr(data, name, value)
    data.save_as(path, enforce_file_format=True)


def expected_error(images, **parameters):
    denoiser = Noise2DetailDenoiser(**TOLD, **parameters).fit(images)
    return denoiser.transform(images, return_std=True)


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.parametrize("suffix", [".tif", ".ome.tif", ".npy", ".ome.zarr"])
def test_the_error_is_the_estimators_and_the_result_the_same(tmp_path, suffix):
    source, target = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    error, plain = tmp_path / f"error{suffix}", tmp_path / f"plain{suffix}"
    stack = noisy((2, 32, 40))
    write_image(source, stack, axes="TYX")
    denoise_file(source, target, uncertainty=error, axes="TYX", **TOLD)
    denoise_file(source, plain, axes="TYX", **TOLD)
    clean, std = expected_error(stack, stack="time")  # as of files whose axis is T
    found = read_image(error)
    assert found.data.dtype == np.float32
    assert found.axes == read_image(target).axes
    np.testing.assert_array_equal(found.data, std.astype(np.float32))
    np.testing.assert_array_equal(read_image(target).data, read_image(plain).data)
    np.testing.assert_array_equal(read_image(target).data, np.rint(clean))


def test_opacity_has_no_error_and_gaps_have_none_to_tell(tmp_path):
    image = np.stack([noisy(dtype=np.float32, seed=i) for i in range(4)], axis=-1)
    rgba = (image / 4).clip(0, 255).astype(np.uint8)
    tifffile.imwrite(
        tmp_path / "in.tif", rgba, photometric="rgb", extrasamples=["unassalpha"]
    )
    error = tmp_path / "error.tif"
    denoise_file(tmp_path / "in.tif", tmp_path / "out.tif", uncertainty=error, **TOLD)
    found = read_image(error).data[...]
    assert found.shape == rgba.shape
    assert not found[..., 3].any()
    assert (found[..., :3] > 0).all()
    gray = image[..., 0]
    gray[:5] = np.nan
    np.save(tmp_path / "in.npy", gray)
    error = tmp_path / "error.npy"
    denoise_file(
        tmp_path / "in.npy",
        tmp_path / "out.npy",
        uncertainty=error,
        nan="mask",
        **TOLD,
    )
    np.testing.assert_array_equal(np.isnan(np.load(error)), np.isnan(gray))


def test_files_of_a_folder_have_their_errors_in_a_folder(tmp_path):
    (tmp_path / "in").mkdir()
    for name in "ab":
        tifffile.imwrite(tmp_path / "in" / f"{name}.tif", noisy(seed=ord(name)))
    command = ["denoise", tmp_path / "in", "-o", tmp_path / "out", "--noise", "9"]
    command += ["--uncertainty", tmp_path / "errors"]
    assert run(*command).exit_code == 0
    names = [path.name for path in sorted((tmp_path / "errors").glob("*.tif"))]
    assert names == ["a.tif", "b.tif"]
    again = run(*command, "--resume")
    assert again.exit_code == 0
    assert again.stderr.count("finished before, skipped") == 2
    (tmp_path / "errors" / "b.tif").unlink()
    again = run(*command, "--resume")
    assert again.exit_code == 1  # the result is there, and not to be replaced
    assert "what differs: uncertainty" in again.stderr
    again = run(*command, "--overwrite")
    assert again.exit_code == 0
    assert (tmp_path / "errors" / "b.tif").exists()


def test_what_cannot_be_is_refused_before_anything_is_computed(tmp_path):
    source, target = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(source, noisy())
    error = tmp_path / "error.tif"
    for how in ({"init": "random"}, {"detail_max_iter": 5}, {"method": "median"}):
        with pytest.raises(ValueError, match="network that ships"):
            denoise_file(source, target, uncertainty=error, **how)
    with pytest.raises(ValueError, match="the result itself"):
        denoise_file(source, target, uncertainty=target)
    result = run(
        "denoise", source, "-o", target, "--uncertainty", error, "--solver", "paper"
    )
    assert result.exit_code == 2
    assert "--uncertainty" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.tif"]
    error.write_bytes(b"of somebody")
    with pytest.raises(FileExistsError):
        denoise_file(source, target, uncertainty=error, **TOLD)
    assert error.read_bytes() == b"of somebody"
    assert not target.exists()


def test_errors_replace_no_input_and_keep_apart_as_results_do(tmp_path):
    folder = tmp_path / "in"
    for place in ("", "s1", "s2"):
        (folder / place).mkdir(parents=True, exist_ok=True)
        write_image(folder / place / "a.tif", noisy(), axes="YX")
    before = (folder / "a.tif").read_bytes()
    with pytest.raises(ValueError, match="is an input"):
        denoise_file(
            folder / "a.tif",
            tmp_path / "out.tif",
            uncertainty=folder / "a.tif",
            overwrite=True,
            **TOLD,
        )
    command = ("denoise", folder, "-r", "-o", tmp_path / "out", "--noise", 9)
    for errors in (folder, folder / "s1", tmp_path / "out"):
        result = run(*command, "--overwrite", "--uncertainty", errors)
        assert result.exit_code == 2
        assert "--uncertainty" in result.stderr
    assert (folder / "a.tif").read_bytes() == before
    result = run(*command, "--uncertainty", tmp_path / "errors")
    assert result.exit_code == 0, result.stderr
    found = [p.relative_to(tmp_path / "errors") for p in tmp_path.rglob("errors/**/*")]
    names = sorted(path.as_posix() for path in found if path.suffix == ".tif")
    assert names == ["a.tif", "s1/a.tif", "s2/a.tif"]


def test_the_error_of_dicom_is_an_image_of_its_own(tmp_path):
    source, error = tmp_path / "in.dcm", tmp_path / "error.dcm"
    how = {"WindowCenter": "40", "WindowWidth": "400", "PixelPaddingValue": 0}
    pixels = noisy()
    pixels[:4] = 0
    write_dicom(source, pixels, RescaleSlope="1", RescaleIntercept="-1024", **how)
    for name, more in (("1", {}), ("3", {"strength": 3.0}), ("again", {})):
        denoise_file(
            source,
            tmp_path / f"{name}.dcm",
            uncertainty=error,
            overwrite=True,
            **TOLD,
            **more,
        )
    files = [tmp_path / f"{name}.dcm" for name in ("1", "3", "error")]
    found = [pydicom.dcmread(path) for path in files]
    for uid in ("SOPInstanceUID", "SeriesInstanceUID"):
        assert len({data[uid].value for data in found}) == 3
    again = pydicom.dcmread(tmp_path / "again.dcm")
    assert again.SOPInstanceUID == found[0].SOPInstanceUID
    assert found[0].SeriesDescription.endswith("long denoised")
    assert found[2].SeriesDescription.endswith("denoised, standard error")
    assert found[2].DerivationDescription.startswith("standard error")
    assert found[0].WindowCenter == 40
    assert "WindowCenter" not in found[2]
    denoise_file(source, tmp_path / "1.tif", uncertainty=tmp_path / "e.tif", **TOLD)
    expected, kept = read_image(tmp_path / "e.tif").data, read_image(error)
    np.testing.assert_array_equal(kept.gaps, pixels == 0)
    inside = ~kept.gaps
    np.testing.assert_allclose(kept.data[inside], expected[inside], rtol=2e-3)


def test_dicom_that_would_be_rounded_or_mistaken_is_refused(tmp_path):
    source, target = tmp_path / "in.dcm", tmp_path / "out.dcm"
    write_dicom(source, noisy())
    with pytest.raises(OSError, match="no float32"):
        denoise_file(source, target, dtype="float32", **TOLD)
    write_dicom(source, (noisy((32, 40, 3)) // 4).astype(np.uint8))
    with pytest.raises(OSError, match="standard error of colours"):
        denoise_file(source, target, uncertainty=tmp_path / "e.dcm", **TOLD)
    assert [path.name for path in tmp_path.iterdir()] == ["in.dcm"]


def test_doses_are_read_in_their_unit(tmp_path):
    write_dicom(tmp_path / "in.dcm", noisy(), DoseGridScaling="0.01")
    image = read_image(tmp_path / "in.dcm")
    np.testing.assert_allclose(image.data, noisy() * 0.01, rtol=1e-6)
    write_image(tmp_path / "out.dcm", image.data, like=image)
    again = pydicom.dcmread(tmp_path / "out.dcm")
    np.testing.assert_array_equal(again.pixel_array, noisy())
