"""The command line, on real files."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from typer.testing import CliRunner

import n2d
from n2d import Noise2DetailDenoiser
from n2d.cli import app

FEW = ["--max-iter", "3", "--detail-max-iter", "2"]
FEW_STEPS = {"max_iter": 3, "detail_max_iter": 2, "random_state": 0}


def run(*arguments, few=True):
    """Run `n2d` in this process."""
    arguments = [str(argument) for argument in arguments]
    if few and arguments and arguments[0] in ("denoise", "demo"):
        arguments += FEW
    return CliRunner().invoke(app, arguments)


def start(*arguments, **options):
    """Start `n2d` as a process of its own."""
    code = "from n2d.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(n2d.__file__).parents[1],
        **options,
    )


def noisy(shape=(20, 24), dtype=np.uint8, low=60, high=190, seed=0):
    """Noise around a ramp, far from the limits of every data type."""
    rng = np.random.default_rng(seed)
    values = np.linspace(low, high, shape[-1]) + rng.normal(0, 5, shape)
    return values.astype(dtype)


def visible(folder):
    """Names in a folder, without the list of what is finished."""
    return sorted(set(os.listdir(folder)) - {".n2d-finished.jsonl"})


@pytest.fixture
def tiff(tmp_path):
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, noisy())
    return path


# -- what is computed ------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        ("uint8", 60, 190),
        ("uint16", 1000, 40000),
        ("int16", -1000, 2000),
        ("int32", -1e6, 1e6),
        ("float32", -0.5, 0.5),
        ("float64", -0.5, 0.5),
    ],
)
def test_the_result_is_the_estimators_rounded_to_the_type(tmp_path, dtype, low, high):
    array = noisy(dtype=dtype, low=low, high=high)
    tifffile.imwrite(tmp_path / "in.tif", array)
    result = run("denoise", tmp_path / "in.tif", "-o", tmp_path / "out.tif")
    assert result.exit_code == 0, result.output
    written = tifffile.imread(tmp_path / "out.tif")
    expected = Noise2DetailDenoiser(**FEW_STEPS).fit_transform(array)
    if array.dtype.kind in "ui":
        limits = np.iinfo(dtype)
        expected = np.clip(np.rint(expected), limits.min, limits.max)
    assert written.dtype == dtype
    np.testing.assert_array_equal(written, expected.astype(dtype))


def test_float32_is_what_the_estimator_returns(tmp_path, tiff):
    target = tmp_path / "out.tif"
    assert run("denoise", tiff, "-o", target, "--dtype", "float32").exit_code == 0
    expected = Noise2DetailDenoiser(**FEW_STEPS).fit_transform(noisy())
    np.testing.assert_array_equal(tifffile.imread(target), expected)


def test_clipped_values_are_counted(tmp_path):
    array = noisy(low=0, high=255)
    array[:, :12], array[:, 12:] = 0, 255
    array[::3, ::3] = 128
    tifffile.imwrite(tmp_path / "in.tif", array)
    start = ("--init", "random")  # a few steps from there overshoot
    output = ("-o", tmp_path / "out.tif", "--quiet")
    result = run("denoise", tmp_path / "in.tif", *output, *start)
    expected = Noise2DetailDenoiser(init="random", **FEW_STEPS).fit_transform(array)
    expected = np.rint(expected)
    n_clipped = np.count_nonzero((expected < 0) | (expected > 255))
    assert n_clipped > 0
    assert f"{n_clipped} of 480 values" in result.stderr
    assert "--dtype float32" in result.stderr


def test_options_reach_the_estimator(tmp_path, tiff):
    result = run(
        *("denoise", tiff, "-o", tmp_path / "out.tif", "--dtype", "float32"),
        *("--max-iter", 4, "--detail-max-iter", 0, "--factors", "2", "--seed", 7),
        *("--learning-rate", "0.002", "--data-range", "-20", "300"),
        *("--solver", "paper", "--init", "random", "--device", "cpu"),
        few=False,
    )
    assert result.exit_code == 0, result.output
    expected = Noise2DetailDenoiser(
        max_iter=4,
        detail_max_iter=0,
        downsampling_factors=(2,),
        random_state=7,
        learning_rate=0.002,
        data_range=(-20, 300),
        solver="paper",
    ).fit_transform(noisy())
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), expected)


def test_factors_none_switches_stage_two_off(tmp_path, tiff):
    target = tmp_path / "out.tif"
    options = ("--dtype", "float32", "--factors", "none")
    assert run("denoise", tiff, "-o", target, *options).exit_code == 0
    expected = Noise2DetailDenoiser(downsampling_factors=(), **FEW_STEPS)
    np.testing.assert_array_equal(
        tifffile.imread(target), expected.fit_transform(noisy())
    )


# -- channels and stacks ---------------------------------------------------------


def test_colour_is_known_from_the_file(tmp_path):
    array = noisy((20, 3, 24)).swapaxes(1, 2)
    Image.fromarray(array).save(tmp_path / "in.png")
    result = run("denoise", tmp_path / "in.png", "-o", tmp_path / "out.png")
    assert result.exit_code == 0, result.output
    assert "3 channels together, as the file says" in result.stderr
    expected = Noise2DetailDenoiser(channel_axis=2, **FEW_STEPS).fit_transform(array)
    np.testing.assert_array_equal(
        np.array(Image.open(tmp_path / "out.png")), np.rint(expected)
    )


def test_channels_are_never_guessed_from_the_shape(tmp_path):
    array = noisy((3, 20, 24), np.uint16)
    tifffile.imwrite(tmp_path / "in.tif", array, photometric="minisblack")
    source, target = tmp_path / "in.tif", tmp_path / "out.tif"
    result = run("denoise", source, "-o", target)
    assert (
        "3 planes, plane by plane, the noise measured on all together: 3 planes"
        in result.stderr
    )
    stack = tifffile.imread(target)
    expected = Noise2DetailDenoiser(**FEW_STEPS).fit_transform(array)
    np.testing.assert_array_equal(stack, np.rint(expected))

    result = run("denoise", source, "-o", target, "--channel-axis", 0, "--overwrite")
    assert "3 channels together, as --channel-axis says" in result.stderr
    expected = Noise2DetailDenoiser(channel_axis=0, **FEW_STEPS).fit_transform(array)
    np.testing.assert_array_equal(tifffile.imread(target), np.rint(expected))


def test_series_of_several_axes_are_denoised_plane_by_plane(tmp_path):
    array = noisy((2, 3, 20, 24), np.uint16)
    metadata = {"axes": "TZYX"}
    tifffile.imwrite(tmp_path / "in.tif", array, imagej=True, metadata=metadata)
    paths = tmp_path / "in.tif", "-o", tmp_path / "out.tif"
    result = run("denoise", *paths, "--stack", "independent")
    assert "2 time points x 3 Z planes, plane by plane" in result.stderr
    assert "together: 6 planes" in result.stderr
    with tifffile.TiffFile(tmp_path / "out.tif") as tif:
        assert tif.series[0].axes == "TZYX"
        written = tif.asarray()
    expected = Noise2DetailDenoiser(**FEW_STEPS).fit_transform(array.reshape(6, 20, 24))
    np.testing.assert_array_equal(written, np.rint(expected).reshape(array.shape))


@pytest.mark.parametrize("samples", [2, 4])
def test_opacity_is_kept_and_not_learned_from(tmp_path, samples):
    array = noisy((20, samples, 24)).swapaxes(1, 2)
    Image.fromarray(array).save(tmp_path / "in.png")
    result = run("denoise", tmp_path / "in.png", "-o", tmp_path / "out.png")
    assert result.exit_code == 0, result.output
    written = np.array(Image.open(tmp_path / "out.png"))
    np.testing.assert_array_equal(written[..., -1], array[..., -1])
    grey = samples == 2
    expected = Noise2DetailDenoiser(
        channel_axis=None if grey else 2, **FEW_STEPS
    ).fit_transform(array[..., 0] if grey else array[..., :3])
    np.testing.assert_array_equal(
        written[..., 0] if grey else written[..., :3], np.rint(expected)
    )


def test_a_wrong_channel_axis_is_named(tmp_path, tiff):
    result = run("denoise", tiff, "-o", tmp_path / "out.tif", "--channel-axis", 5)
    assert result.exit_code == 1
    assert "--channel-axis 5" in result.stderr


# -- several files ---------------------------------------------------------------


def test_one_bad_file_does_not_stop_the_others(tmp_path, tiff):
    bad = tmp_path / "bad.tif"
    bad.write_bytes(tiff.read_bytes()[:200])
    other = tmp_path / "other.png"
    Image.fromarray(noisy()).save(other)
    missing = tmp_path / "missing.tif"
    result = run("denoise", bad, tiff, missing, other, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert visible(tmp_path / "out") == ["image.tif", "other.png"]
    assert "2 of 4 images denoised" in result.stderr
    table = [line.split() for line in result.stderr.splitlines()]
    assert ["2", "done"] in table
    assert ["2", "failed"] in table
    assert [f"{bad}:", "is", "damaged,"] in [line[:3] for line in table]
    assert "Traceback" not in result.stderr
    errors = [x for x in result.stderr.splitlines() if x.startswith("error: ")]
    assert len(errors) == 2
    assert str(bad) in errors[0]
    assert str(missing) in errors[1]


def test_a_folder_is_made_for_a_path_that_ends_in_a_slash(tmp_path, tiff):
    assert run("denoise", tiff, "-o", f"{tmp_path}/new/folder/").exit_code == 0
    assert (tmp_path / "new" / "folder" / "image.tif").is_file()


@pytest.mark.parametrize("name", ["result.tif", "result.PNG"])
def test_several_inputs_do_not_go_into_what_looks_like_one_file(tmp_path, tiff, name):
    other = tmp_path / "b.tif"
    other.write_bytes(tiff.read_bytes())
    result = run("denoise", tiff, other, "-o", tmp_path / name)
    assert result.exit_code == 2
    text = "".join(result.stderr.split())
    assert "--output" in text
    assert f"{name}/" in text
    assert not (tmp_path / name).exists()
    assert run("denoise", tiff, other, "-o", f"{tmp_path / name}/").exit_code == 0
    folder = str(tmp_path / name)  # which exists now, and is taken as it is
    assert run("denoise", tiff, other, "-o", folder, "--overwrite").exit_code == 0
    assert visible(folder) == ["b.tif", "image.tif"]


def test_debug_shows_a_traceback(tmp_path):
    source = tmp_path / "none.tif"
    result = run("denoise", source, "-o", tmp_path / "out.tif", "--debug")
    assert result.exit_code == 1
    assert "Traceback" in result.stderr


# -- what must not be written ----------------------------------------------------


def test_existing_files_stay_unless_overwrite_is_given(tmp_path, tiff, monkeypatch):
    target = tmp_path / "out.tif"
    target.write_bytes(b"mine")

    def compute(*_, **__):
        raise AssertionError("nothing may be computed")

    with monkeypatch.context() as patch:
        patch.setattr(Noise2DetailDenoiser, "fit", compute)
        result = run("denoise", tiff, "-o", target)
    assert result.exit_code == 1
    assert "--overwrite" in result.stderr
    assert target.read_bytes() == b"mine"
    assert run("denoise", tiff, "-o", target, "--overwrite").exit_code == 0
    assert tifffile.imread(target).shape == (20, 24)


@pytest.mark.parametrize("output", ["image.tif", ".", "link.tif"])
def test_an_input_is_not_its_own_output(tmp_path, tiff, output):
    (tmp_path / "link.tif").symlink_to(tiff)
    before = tiff.read_bytes()
    result = run("denoise", tiff, "-o", tmp_path / output)
    assert result.exit_code == 2
    assert "input itself" in " ".join(result.stderr.split())
    assert tiff.read_bytes() == before


def test_an_input_can_be_replaced_with_overwrite(tmp_path, tiff):
    assert run("denoise", tiff, "-o", tiff, "--overwrite").exit_code == 0
    assert (tifffile.imread(tiff) != noisy()).any()
    assert os.listdir(tmp_path) == ["image.tif"]


def test_two_inputs_are_not_written_to_one_file(tmp_path, tiff):
    (tmp_path / "b").mkdir()
    other = tmp_path / "b" / "image.tif"
    other.write_bytes(tiff.read_bytes())
    result = run("denoise", tiff, other, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "both be written" in " ".join(result.stderr.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--solver", "magic"], "--solver"),
        (["--max-iter", "0"], "--max-iter"),
        (["--factors", "2,x"], "--factors"),
        (["--factors", "2,2"], "--factors"),
        (["--factors", "1"], "--factors"),
        (["--learning-rate", "0"], "--learning-rate"),
        (["--data-range", "3", "3"], "--data-range"),
        (["--dtype", "int3"], "--dtype"),
        (["--seed", "-1"], "--seed"),
    ],
)
def test_wrong_options_are_named(tmp_path, tiff, options, word):
    result = run("denoise", tiff, "-o", tmp_path / "out.tif", *options, few=False)
    assert result.exit_code == 2
    assert word in result.stderr
    assert not (tmp_path / "out.tif").exists()


def test_an_output_into_nowhere_or_onto_a_file_is_refused(tmp_path, tiff):
    result = run("denoise", tiff, "-o", tmp_path / "no" / "out.tif")
    assert result.exit_code == 2
    assert "does not exist" in " ".join(result.stderr.split())
    result = run("denoise", tiff, tmp_path / "b.tif", "-o", tiff)
    assert result.exit_code == 2
    assert "is a file" in " ".join(result.stderr.split())


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_float_is_not_squeezed_into_a_raster_file(tmp_path, tiff, suffix):
    target = tmp_path / f"out{suffix}"
    result = run("denoise", tiff, "-o", target, "--dtype", "float32")
    assert result.exit_code == 1
    assert "--dtype" in result.stderr
    assert not target.exists()


# -- endings ---------------------------------------------------------------------


def wait_for(process, *, text):
    """Read a process's stderr until a text has come; return what came before."""
    seen = ""
    while text not in seen:
        character = process.stderr.read(1)
        assert character, f"ended without {text!r}: {seen}"
        seen += character
    return seen


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_an_interrupted_run_leaves_nothing_half_written(tmp_path, tiff):
    (tmp_path / "out").mkdir()
    command = ("denoise", tiff, "-o", tmp_path / "out")
    options = ("--init", "random", "--max-iter", 10**6, "--verbose")
    with start(*command, *options) as process:
        wait_for(process, text="training the network, step")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "interrupted" in errors
    assert os.listdir(tmp_path / "out") == []


# -- the other commands ----------------------------------------------------------


@pytest.mark.slow
def test_demo_writes_images_numbers_and_a_picture(tmp_path):
    folder = tmp_path / "demo"
    result = run("demo", "-o", folder)
    assert result.exit_code == 0, result.output
    files = ["clean.tif", "comparison.png", "denoised.tif", "noisy.tif"]
    assert sorted(os.listdir(folder)) == files
    images = {name: tifffile.imread(folder / name) for name in files if "tif" in name}
    assert {image.dtype.name for image in images.values()} == {"float32"}
    assert {image.shape for image in images.values()} == {(256, 256)}
    expected = n2d.metrics.psnr(images["clean.tif"], images["noisy.tif"], 1.0)
    assert f"PSNR {expected:.2f} dB" in result.stdout
    with Image.open(folder / "comparison.png") as picture:
        assert picture.size[0] > 3 * 256
    again = run("demo", "-o", folder)
    assert again.exit_code == 1
    assert "--overwrite" in again.stderr


def test_info_names_versions_device_and_threads():
    result = run("info")
    assert result.exit_code == 0, result.output
    for word in ("Python", "torch", "threads", "devices", "cpu"):
        assert word in result.stdout


def test_version():
    assert run("--version").stdout.split() == ["n2d", n2d.__version__]


def test_help_names_the_options():
    text = run("denoise", "--help").stdout
    for option in ("--solver", "--channel-axis", "--dtype", "--overwrite", "--quiet"):
        assert option in text


@pytest.mark.parametrize("command", [("denoise", "-o"), ("compare", "-o")])
def test_names_that_no_file_can_have_are_refused_in_a_line(tmp_path, command):
    target = tmp_path / f"{'n' * 260}.tif"
    result = run(command[0], __file__, command[1], target, few=False)
    assert result.exit_code == 1
    assert result.stderr == f"error: {target}: File name too long\n"
