"""Files denoised from Python, and one plan of planes for every command."""

import json

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from n2d import Noise2DetailDenoiser, denoise_file, denoiser_registry
from n2d.cli import app
from n2d.comparison import read_results
from n2d.files import DenoisedFile
from n2d.io import ImageFileError, read_image, write_image

FEW = {"max_iter": 2, "detail_max_iter": 0, "random_state": 0}


def run(*arguments):
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result


def noisy(shape, seed=0):
    return np.random.default_rng(seed).normal(500, 30, shape).astype(np.uint16)


@pytest.fixture
def channels(tmp_path):
    """A file of two channels of very different brightness, and what it holds."""
    array = noisy((2, 24, 20))
    array[1] = array[1] * 9 + 400
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, array, imagej=True, metadata={"axes": "CYX"})
    return path, array


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        ({}, []),
        ({"channels": "together"}, ["--channels", "together"]),
        ({"axes": "TYX", "fit_per": "plane"}, ["--axes", "TYX", "--fit-per", "plane"]),
        ({"dtype": "float32"}, ["--dtype", "float32"]),
    ],
)
def test_python_does_what_the_command_does(tmp_path, channels, options, arguments):
    source, _ = channels
    done = denoise_file(source, tmp_path / "a.tif", **options, **FEW)
    few = ["--max-iter", 2, "--detail-max-iter", 0]
    run("denoise", source, "-o", tmp_path / "b.tif", *few, *arguments)
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()
    assert isinstance(done, DenoisedFile)
    assert done.n_planes == (1 if "channels" in options else 2)
    assert done.n_values == 2 * 24 * 20


def test_a_model_in_place_of_a_fit(tmp_path):
    images = noisy((2, 24, 20))
    model = Noise2DetailDenoiser(**FEW).fit(images).save(tmp_path / "m.n2d")
    del model
    np.save(tmp_path / "a.npy", images.astype(np.float32))
    done = denoise_file(
        tmp_path / "a.npy", tmp_path / "b.npy", model=tmp_path / "m.n2d", device="cpu"
    )
    assert done.n_fits == 0
    expected = Noise2DetailDenoiser.load(tmp_path / "m.n2d").transform(
        images.astype(np.float32)
    )
    np.testing.assert_array_equal(np.load(tmp_path / "b.npy"), expected)


@pytest.mark.parametrize("name", ["out.tif", "out.zarr"])
def test_what_is_finished_is_skipped_by_resume(tmp_path, channels, name):
    source, _ = channels
    first = denoise_file(source, tmp_path / name, resume=True, **FEW)
    again = denoise_file(source, tmp_path / name, resume=True, **FEW)
    assert not first.skipped
    assert again.skipped
    with pytest.raises(FileExistsError):
        denoise_file(source, tmp_path / name, resume=True, **FEW | {"max_iter": 3})
    assert denoise_file(source, tmp_path / name, overwrite=True, **FEW).n_fits == 2


def test_a_callback_sees_all_and_cancels(tmp_path, channels):
    source, _ = channels
    stages = []
    denoise_file(
        source, tmp_path / "a.tif", callback=lambda p: stages.append(p.stage), **FEW
    )
    assert len(set(stages)) > 1
    with pytest.raises(Exception, match="cancelled by the callback"):
        denoise_file(source, tmp_path / "b.tif", callback=lambda p: True, **FEW)
    assert not (tmp_path / "b.tif").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"channels": "both"}, "channels must be one of"),
        ({"fit_per": "stack"}, "fit_per must be one of"),
        ({"dtype": "int8"}, "dtype must be one of"),
        ({"stack": "near"}, "stack must be one of"),
        ({"resume": True, "overwrite": True}, "one of the two"),
        ({"model": "m.n2d", "max_iter": 2}, "max_iter is about fitting"),
        ({"axes": "YX"}, "the file has 3 axes"),
        ({"channel_axis": "last"}, "channel_axis must be a whole number"),
        ({"series": 0.5}, "series must be a whole number"),
        ({"axes": 3}, "axes must be a text"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, channels, options, says):
    source, _ = channels
    with pytest.raises((TypeError, ValueError), match=says):
        denoise_file(source, tmp_path / "a.tif", **options)


def test_a_target_of_no_format_is_refused_first(tmp_path, channels):
    with pytest.raises(ImageFileError, match="unsupported file type"):
        denoise_file(channels[0], tmp_path / "a.xyz")


# -- one plan for every command ----------------------------------------------------


@pytest.mark.slow
def test_tune_fits_channels_as_denoise_does(tmp_path, channels):
    source, array = channels
    result = run("tune", source, "-o", tmp_path / "t.json", "--grid", "max_iter=1,2")
    assert "2 channels independently: 2 planes" in result.stderr
    assert "together" not in result.stderr
    found = json.loads((tmp_path / "t.json").read_text())["search"]["results"]
    for setting in found:
        scores = [
            Noise2DetailDenoiser(random_state=0, **setting["parameters"])
            .fit(plane)
            .score(plane)
            for plane in array
        ]
        assert setting["score"] == pytest.approx(np.mean(scores), rel=1e-6)


def test_tune_takes_axes_and_channels(tmp_path, channels):
    source, _ = channels
    options = ("--method", "gaussian", "--grid", "blur=1,2")
    result = run(
        *("tune", source, "-o", tmp_path / "a.json", *options),
        *("--channels", "together"),
    )
    assert "2 channels together, as --channels says" in result.stderr
    result = run(
        *("tune", source, "-o", tmp_path / "b.json", *options, "--axes", "ZYX")
    )
    assert "2 Z planes" in result.stderr


def test_compare_fits_channels_as_denoise_does(tmp_path, channels):
    source, array = channels
    out = tmp_path / "out"
    run("compare", source, "-o", out, "--methods", "gaussian,median", "--no-figure")
    rows = read_results(out / "results.csv")
    assert [row["case"] for row in rows] == ["cells-c0"] * 2 + ["cells-c1"] * 2
    for number in range(2):
        np.save(tmp_path / f"{number}.npy", array[number])
        run(
            *("compare", tmp_path / f"{number}.npy", "-o", tmp_path / str(number)),
            *("--methods", "gaussian,median", "--no-figure"),
        )
        alone = read_results(tmp_path / str(number) / "results.csv")
        assert [row["score"] for row in alone] == [
            row["score"] for row in rows[2 * number :][:2]
        ]


def test_compare_finds_in_a_folder_what_denoise_finds(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    write_image(folder / "a.tif", noisy((24, 20)))
    write_image(folder / "brain.nii.gz", noisy((24, 20)).astype(np.int16))
    write_image(folder / "cells.zarr", noisy((24, 20)), axes="YX")
    (folder / "notes.txt").write_text("no image")
    out = tmp_path / "out"
    run("compare", folder, "-o", out, "--methods", "median")
    rows = read_results(out / "results.csv")
    assert [row["case"] for row in rows] == ["a", "brain", "cells"]
    assert not any(row["error"] for row in rows)
    few = ("--max-iter", 1, "--detail-max-iter", 0)
    run("denoise", folder, "-o", tmp_path / "denoised/", *few)
    names = sorted(path.name for path in (tmp_path / "denoised").iterdir())
    assert names[1:] == ["a.tif", "brain.nii.gz", "cells.zarr"]


def test_jpg_and_jpeg_are_one_format(tmp_path):
    from PIL import Image

    pixels = (noisy((24, 20)) // 4).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.jpg", dpi=(72, 72))
    done = denoise_file(tmp_path / "a.jpg", tmp_path / "b.jpeg", **FEW)
    assert done.notes == []
    other = denoise_file(tmp_path / "a.jpg", tmp_path / "b.tif", **FEW)
    assert "another format" in other.notes[0]


def test_axes_of_the_result_are_those_that_were_said(tmp_path):
    np.save(tmp_path / "a.npy", noisy((2, 24, 20)))
    done = denoise_file(tmp_path / "a.npy", tmp_path / "a.zarr", axes="cyx")
    assert done.axes == "CYX"
    assert read_image(tmp_path / "a.zarr").axes == "CYX"


def test_another_method_is_fitted_for_each_channel_and_applied_to_each_plane(tmp_path):
    rng = np.random.default_rng(8)
    scene = np.linspace(10, 60, 48) * np.array([1, 10]).reshape(2, 1, 1)
    noisy = rng.poisson(scene * np.ones((3, 2, 40, 1)))
    write_image(tmp_path / "in.tif", noisy.astype(np.uint16), axes="TCYX")
    config = tmp_path / "tv.json"
    config.write_text('{"method": "vst-tv", "parameters": {"denoiser__strength": 1.4}}')
    for name, how in (
        ("method.tif", ("--method", "vst-tv:denoiser__strength=1.4")),
        ("config.tif", ("--config", config)),
    ):
        run("denoise", tmp_path / "in.tif", "-o", tmp_path / name, *how)
    done = denoise_file(
        tmp_path / "in.tif",
        tmp_path / "file.tif",
        method="vst-tv",
        denoiser__strength=1.4,
    )
    assert (done.n_fits, done.n_planes, done.trust) == (2, 6, None)
    registry = denoiser_registry()
    for name in ("method.tif", "config.tif", "file.tif"):
        found = read_image(tmp_path / name).data
        for channel in range(2):
            denoiser = registry["vst-tv"]().set_params(denoiser__strength=1.4)
            planes = list(noisy[:, channel].astype(np.uint16))
            expected = np.round(denoiser.fit(planes).transform(planes))
            np.testing.assert_array_equal(found[:, channel], expected)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--method", "tvv"), "there is no method 'tvv'"),
        (("--method", "tv:blur=2"), "no parameter 'blur'"),
        (("--method", "tv,nlm"), "names 2 methods"),
        (("--method", "tv", "--strength", 2), "an option of n2d itself"),
    ],
)
def test_a_method_that_will_not_do_is_named(tmp_path, options, words):
    write_image(tmp_path / "in.tif", np.ones((16, 16), np.uint8), axes="YX")
    command = ["denoise", tmp_path / "in.tif", "-o", tmp_path / "o.tif", *options]
    result = CliRunner().invoke(app, [*map(str, command)])
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())
    assert not (tmp_path / "o.tif").exists()


def test_a_method_is_a_name_and_no_estimator(tmp_path):
    files = tmp_path / "in.tif", tmp_path / "o.tif"
    with pytest.raises(TypeError, match=r"must be a name.*got Noise2Detail"):
        denoise_file(*files, method=Noise2DetailDenoiser())
