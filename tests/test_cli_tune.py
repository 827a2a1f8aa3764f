"""`n2d tune`, and `n2d denoise --config`, on real files."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

import n2d
from n2d import Noise2DetailDenoiser
from n2d._config import ConfigError, read_config
from n2d.baselines import GaussianDenoiser, denoiser_registry
from n2d.cli import app
from n2d.cli.grids import default_grid
from n2d.metrics import psnr


def run(*arguments):
    """Run `n2d` in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(0)
    clean = np.tile(np.linspace(60, 190, 80), (64, 1))
    noisy = (clean + rng.normal(0, 10, clean.shape)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "cells.tif", noisy)
    tifffile.imwrite(tmp_path / "clean.tif", clean.astype(np.uint8))
    return tmp_path / "cells.tif", tmp_path / "clean.tif"


def written(path):
    return json.loads(path.read_text())


def config(tmp_path, **content):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(content))
    return path


# -- the search ------------------------------------------------------------------------


def test_the_setting_of_the_highest_score_is_printed_first_and_written(
    images, tmp_path
):
    target = tmp_path / "chosen.json"
    result = run(
        *("tune", images[0], "--method", "gaussian", "--grid", "blur=0.5,3,8"),
        *("-o", target),
    )
    assert result.exit_code == 0, result.output
    noisy = tifffile.imread(images[0])
    scores = {
        blur: GaussianDenoiser(blur=blur).fit(noisy).score(noisy)
        for blur in (0.5, 3, 8)
    }
    best = max(scores, key=scores.get)
    header, *lines = [line.split() for line in result.stdout.splitlines()]
    assert header[:2] == ["blur", "score"]
    assert lines[0][0] == str(best)
    assert "PSNR" not in result.stdout
    content = written(target)
    assert content["version"] == n2d.__version__
    assert content["method"] == "gaussian"
    assert content["parameters"] == {"blur": best}
    assert content["search"]["image"] == "cells.tif"
    assert content["search"]["grid"] == {"blur": [0.5, 3, 8]}
    found = {r["parameters"]["blur"]: r["score"] for r in content["search"]["results"]}
    assert found == pytest.approx(scores, rel=1e-9)


def test_a_clean_image_adds_psnr_and_does_not_choose(images, tmp_path):
    target = tmp_path / "chosen.json"
    options = ("--method", "gaussian", "--grid", "blur=0.5,3", "-o", target)
    assert run("tune", images[0], *options).exit_code == 0
    without = written(target)["parameters"]
    result = run("tune", *images[:1], "--clean", images[1], *options, "--overwrite")
    assert result.exit_code == 0, result.output
    assert "PSNR (dB)" in result.stdout
    assert "PSNR and SSIM for 0 to 255" in result.stderr
    assert written(target)["parameters"] == without
    noisy, clean = map(tifffile.imread, images)
    for row in written(target)["search"]["results"]:
        denoiser = GaussianDenoiser(**row["parameters"])
        expected = psnr(clean, denoiser.fit_transform(noisy), 255)
        assert row["psnr"] == pytest.approx(expected, rel=1e-9)


def test_combinations_of_stage_hyperparameters_are_searched(images, tmp_path):
    target = tmp_path / "chosen.json"
    result = run(
        *("tune", images[0], "--method", "n2d:max_iter=1", "-o", target),
        *("--grid", "detail_max_iter=0,2", "--grid", "downsampling_factors=(),(2,4)"),
        *("--seed", 3),
    )
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == 5
    content = written(target)
    assert content["parameters"]["max_iter"] == 1
    assert content["parameters"]["random_state"] == 3
    assert len(content["search"]["results"]) == 4


def test_the_default_stays_where_the_score_tells_no_difference(images, tmp_path):
    target = tmp_path / "chosen.json"
    for values, kept in (
        ("1,1.0000001", True),
        ("1.0000001,1", True),
        ("1,0.02", True),
    ):
        grid = ("--grid", f"strength={values}", "-o", target, "--overwrite")
        result = run("tune", images[0], *grid)
        assert result.exit_code == 0, result.output
        assert ("strength" not in written(target)["parameters"]) == kept
    # What is told too low is made up for, and for certain.
    result = run(
        "tune",
        images[0],
        "--method",
        "n2d:noise=1",
        *grid[2:],
        "--grid",
        "strength=1,10",
    )
    assert result.exit_code == 0, result.output
    assert written(target)["parameters"]["strength"] == 10


NO_DEFAULT = {"bm3d", "vst-bm3d", "identity", "n2d-paper", "zs-n2n-paper"}
NO_DEFAULT |= {"temporal-mean", "temporal-median", "bm4d"}


@pytest.mark.parametrize("method", sorted(NO_DEFAULT))
def test_where_there_is_no_default_grid_the_option_is_named(method):
    with pytest.raises(ValueError, match="--grid"):
        default_grid(method)


@pytest.mark.parametrize("method", sorted(denoiser_registry().keys() - NO_DEFAULT))
def test_default_grids_name_parameters_that_the_denoisers_have(method):
    grid = default_grid(method)
    denoiser = denoiser_registry()[method]()
    n_settings = np.prod([len(values) for values in grid.values()])
    assert 2 < n_settings <= 12
    assert set(grid) <= set(denoiser.get_params())


@pytest.mark.parametrize("method", ["n2d", "vst-tv"])
def test_default_grids_run(images, tmp_path, method, monkeypatch):
    if method == "n2d":  # where a step is as good as many
        grids = {"n2d": {"strength": [1.0, 0.01, 0.5]}}
        monkeypatch.setattr("n2d.cli.grids._DEFAULTS", grids)
    target = tmp_path / "chosen.json"
    result = run("tune", images[0], "--method", method, "-o", target)
    assert result.exit_code == 0, result.output
    assert written(target)["parameters"]


def test_colour_and_stacks_are_taken_as_the_file_says(tmp_path):
    rng = np.random.default_rng(0)
    colour = rng.normal(120, 10, (2, 3, 24, 24)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", colour, photometric="minisblack")
    options = ("--method", "vst-tv", "--grid", "denoiser__strength=0.5,1")
    for axis in ((), ("--channel-axis", 1)):
        target = tmp_path / f"{len(axis)}.json"
        result = run("tune", tmp_path / "a.tif", *options, *axis, "-o", target)
        assert result.exit_code == 0, result.output


def test_the_file_has_a_name_of_its_own_by_default(images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ("--method", "median", "--grid", "size=3,5", "--quiet")
    result = run("tune", "cells.tif", *options)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert (tmp_path / "cells.n2d.json").is_file()
    again = run("tune", "cells.tif", *options)
    assert again.exit_code == 1
    assert "--overwrite" in again.stderr
    assert run("tune", "cells.tif", *options, "--overwrite").exit_code == 0


# -- what goes wrong in it -------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--method", "magic"], ["--method", "'magic'", "vst-bm3d"]),
        (["--method", "median,tv"], ["--method", "2 methods"]),
        (["--method", "bm3d"], ["--grid", "sigma="]),
        (["--grid", "max_iter"], ["--grid", "PARAMETER=VALUE"]),
        (["--grid", "max_iter="], ["--grid", "no values"]),
        (["--grid", "width=3"], ["--grid", "'width'", "detail_max_iter"]),
        (["--grid", "device=cpu"], ["--grid", "'device'"]),
        (["--grid", "max_iter=1,0"], ["--grid", "1 or more", "not 0"]),
        (["--grid", "max_iter=1", "--grid", "max_iter=2"], ["--grid", "twice"]),
        (["--grid", "downsampling_factors=2,4"], ["--grid", "[2, 4]"]),
        (["--data-range", "3", "3"], ["--data-range"]),
    ],
)
def test_wrong_options_are_named(images, tmp_path, options, words):
    result = run("tune", images[0], *options, "-o", tmp_path / "chosen.json")
    assert result.exit_code == 2, result.output
    text = " ".join(result.stderr.split())
    for word in words:
        assert word in text
    assert not (tmp_path / "chosen.json").exists()


def test_a_value_that_the_denoiser_refuses_ends_the_search(images, tmp_path):
    options = ("--method", "median", "--grid", "size=3,0", "-o", tmp_path / "a.json")
    result = run("tune", images[0], *options)
    assert result.exit_code == 1
    assert "'size'" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "a.json").exists()


def test_an_existing_file_stays_and_nothing_is_computed(images, tmp_path, monkeypatch):
    target = tmp_path / "chosen.json"
    target.write_text("mine")

    def compute(*_, **__):
        raise AssertionError("nothing may be computed")

    monkeypatch.setattr(Noise2DetailDenoiser, "fit", compute)
    result = run("tune", images[0], "-o", target)
    assert result.exit_code == 1
    assert "--overwrite" in result.stderr
    assert target.read_text() == "mine"


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_an_interrupted_search_writes_nothing(images, tmp_path):
    grid = "max_iter=1,1000000"
    command = ["tune", images[0], "--method", "n2d-random:detail_max_iter=0"]
    command += ["--grid", grid]
    command += ["-o", tmp_path / "chosen.json"]
    before = sorted(os.listdir(tmp_path))
    with subprocess.Popen(
        [sys.executable, "-c", "from n2d.cli import main; main()", *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(n2d.__file__).parents[1],
    ) as process:
        seen = ""
        while "1/2" not in seen:
            character = process.stderr.read(1)
            assert character, f"ended: {seen}"
            seen += character
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert sorted(os.listdir(tmp_path)) == before


# -- denoise --config ------------------------------------------------------------------


def denoised(images, tmp_path, *options):
    target = tmp_path / "out.tif"
    result = run(
        *("denoise", images[0], "-o", target, "--dtype", "float32", "--overwrite"),
        *options,
    )
    assert result.exit_code == 0, result.output
    return tifffile.imread(target)


def test_denoise_takes_what_was_tuned(images, tmp_path):
    target = tmp_path / "chosen.json"
    method = "n2d-random:max_iter=3,detail_max_iter=2"
    grid = "downsampling_factors=(2,),()"
    options = ("--method", method, "--grid", grid, "--seed", 4, "-o", target)
    assert run("tune", images[0], *options).exit_code == 0
    parameters = written(target)["parameters"]
    assert parameters["init"] == "random"
    expected = Noise2DetailDenoiser(
        init="random",
        max_iter=3,
        detail_max_iter=2,
        downsampling_factors=tuple(parameters["downsampling_factors"]),
        random_state=4,
    ).fit_transform(tifffile.imread(images[0]))
    got = denoised(images, tmp_path, "--config", target)
    np.testing.assert_array_equal(got, expected)


def test_options_given_go_before_the_file(images, tmp_path):
    path = config(
        tmp_path,
        method="n2d",
        parameters={
            "init": "random",
            "max_iter": 9,
            "detail_max_iter": 2,
            "random_state": 6,
            "downsampling_factors": [4],
        },
    )
    given = ("--max-iter", 3, "--seed", 0, "--factors", "auto", "--init", "auto")
    got = denoised(images, tmp_path, "--config", path, *given)
    expected = Noise2DetailDenoiser(max_iter=3, detail_max_iter=2, random_state=0)
    noisy = tifffile.imread(images[0])
    np.testing.assert_array_equal(got, expected.fit_transform(noisy))


def test_a_config_by_hand_needs_parameters_only(images, tmp_path):
    path = config(tmp_path, parameters={"max_iter": 1, "data_range": [0, 255]})
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())  # as some editors begin
    got = denoised(images, tmp_path, "--config", path)
    expected = Noise2DetailDenoiser(max_iter=1, data_range=(0, 255), random_state=0)
    noisy = tifffile.imread(images[0])
    np.testing.assert_array_equal(got, expected.fit_transform(noisy))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        ("", "damaged or no JSON"),
        ('{"parameters": {"max_iter": 3', "damaged or no JSON"),
        (b"\xff\xfe\x00", "damaged or no JSON"),
        ("[1, 2]", "no JSON object"),
        ("{}", 'no object "parameters"'),
        ('{"parameters": 3}', 'no object "parameters"'),
        ('{"parameters": {}, "comment": ""}', "no key 'comment'"),
        ('{"parameters": {"iterations": 3}}', "no parameter 'iterations'; there are"),
        ('{"parameters": {"device": "cpu"}}', "no parameter 'device'"),
        ('{"parameters": {}, "method": "tvv"}', "for the method 'tvv'"),
        ('{"parameters": {}, "method": ["n2d"]}', "for the method ['n2d']"),
        ('{"parameters": {"max_iter": 0}}', "max_iter must be"),
        ('{"parameters": {"max_iter": true}}', "max_iter must be"),
        ('{"parameters": {"max_iter": "3"}}', "max_iter must be"),
        ('{"parameters": {"detail_max_iter": -1}}', "detail_max_iter must be"),
        ('{"parameters": {"solver": "slow"}}', "fast or paper"),
        ('{"parameters": {"init": ["auto"]}}', "auto, random or synthetic"),
        ('{"parameters": {"downsampling_factors": [2, 2]}}', "such as [2, 4]"),
        ('{"parameters": {"downsampling_factors": 2}}', "such as [2, 4]"),
        ('{"parameters": {"downsampling_factors": [[2]]}}', "such as [2, 4]"),
        ('{"parameters": {"learning_rate": NaN}}', "a number above 0"),
        ('{"parameters": {"strength": 0}}', "strength must be a number above 0"),
        ('{"parameters": {"data_range": [3, 3]}}', "the lower first"),
        ('{"parameters": {"random_state": -1}}', "from 0 to 4294967295"),
        ('{"parameters": {"hidden_channels": 4.5}}', "not 4.5"),
    ],
)
def test_a_config_that_will_not_do_is_named(images, tmp_path, content, words):
    path = tmp_path / "config.json"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert words in str(caught.value)
    result = run("denoise", images[0], "-o", tmp_path / "out.tif", "--config", path)
    assert result.exit_code == 2
    assert "--config" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out.tif").exists()
