"""Noise on the command line: told with --noise, shown by `n2d noise`."""

import json

import numpy as np
import pytest
import tifffile
from PIL import Image
from typer.testing import CliRunner

from n2d import Noise2DetailDenoiser, denoise_file
from n2d.cli import app
from n2d.noise import NoiseModel
from n2d.noise.words import rows_of


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def noisy(*shape, seed=0):
    rng = np.random.default_rng(seed)
    ramp = np.linspace(60, 160, shape[-1])
    return (ramp + rng.normal(0, 10, shape)).astype(np.float32)


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, noisy(48, 64))
    return path


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "noise.json"
    path.write_text(NoiseModel(9.0, correlation=[[0.1, 0], [0.2, 0]]).to_json())
    return path


def test_what_is_told_reaches_the_estimator(tmp_path, image, model):
    X = tifffile.imread(image)
    config = tmp_path / "config.json"
    told = NoiseModel.from_json(model.read_text())
    content = {"noise": json.loads(model.read_text()), "strength": 0.5}
    config.write_text(json.dumps({"parameters": content}))
    for options, parameters in (
        (["--noise", "12.5"], {"noise": 12.5}),
        (["--noise", model, "--strength", "1.5"], {"noise": told, "strength": 1.5}),
        (["--config", config], {"noise": told, "strength": 0.5}),
    ):
        target = tmp_path / "out.tif"
        result = run("denoise", image, "-o", target, "--overwrite", *options)
        assert result.exit_code == 0, result.output
        assert "the noise is told: " in result.stderr
        expected = Noise2DetailDenoiser(random_state=0, **parameters).fit_transform(X)
        np.testing.assert_array_equal(tifffile.imread(target), expected)


def test_a_model_is_fitted_with_what_is_told(tmp_path, image, model):
    result = run("fit", image, "-o", tmp_path / "a.n2d", "--noise", model)
    assert result.exit_code == 0, result.output
    assert (
        "noise level   9, a standard deviation in units of the image, as told"
        in result.stdout
    )
    told = NoiseModel.from_json(model.read_text())
    assert Noise2DetailDenoiser.load(tmp_path / "a.n2d").noise == told
    result = run(
        *("denoise", image, "-o", tmp_path / "out.tif"),
        *("--model", tmp_path / "a.n2d", "--noise", "3"),
    )
    assert result.exit_code == 2
    assert "--noise" in result.stderr


def test_channels_on_their_own_get_each_its_own(tmp_path):
    source = tmp_path / "two.ome.tif"
    X = noisy(2, 40, 44)
    tifffile.imwrite(source, X, metadata={"axes": "CYX"}, photometric="minisblack")
    denoise_file(source, tmp_path / "out.tif", noise=(4.0, 12.0), random_state=0)
    for found, plane, noise in zip(
        tifffile.imread(tmp_path / "out.tif"), X, (4.0, 12.0), strict=True
    ):
        expected = Noise2DetailDenoiser(random_state=0, noise=noise).fit_transform(
            plane
        )
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--noise", "0"], ["--noise", "above 0"]),
        (["--noise", "inf"], ["--noise", "above 0"]),
        (["--noise", "absent.json"], ["--noise", "absent.json"]),
        (["--strength", "-1"], ["--strength", "above 0"]),
        (["--noise", "3", "--init", "random"], ["noise", "'auto'"]),
    ],
)
def test_what_makes_no_sense_is_named(tmp_path, image, options, words):
    result = run("denoise", image, "-o", tmp_path / "out.tif", *options)
    assert result.exit_code in (1, 2)
    text = " ".join(result.stderr.split())
    for word in words:
        assert word in text
    assert "Traceback" not in text
    assert not (tmp_path / "out.tif").exists()


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("{", "damaged"),
        ('{"gain": 1}', "level"),
        ('{"level": "x"}', "level"),
        ("[]", "list"),
    ],
)
def test_a_file_that_is_no_noise_is_named(tmp_path, image, content, word):
    path = tmp_path / "wrong.json"
    path.write_text(content)
    result = run("denoise", image, "-o", tmp_path / "out.tif", "--noise", path)
    assert result.exit_code == 2
    text = " ".join(result.stderr.split())
    assert word in text
    assert "wrong.json" in text


# -- n2d noise -------------------------------------------------------------------------


def test_what_was_measured_is_printed_and_can_be_told(tmp_path):
    rng = np.random.default_rng(3)
    scene = np.tile(np.linspace(20, 200, 160), (128, 1))
    path, found = tmp_path / "photons.tif", tmp_path / "found.json"
    noisy = (2 * rng.poisson(scene / 2)).astype(np.uint16)
    tifffile.imwrite(path, noisy)
    picture = tmp_path / "found.png"
    result = run("noise", path, "--json", found, "--picture", picture)
    assert result.exit_code == 0, result.output
    model = NoiseModel.from_json(found.read_text())
    assert model == Noise2DetailDenoiser(random_state=0).fit(noisy).noise_
    assert model.gain == pytest.approx(2, rel=0.15)
    words = " ".join(result.stdout.split())
    assert f"level {model.level:.4g}, a standard deviation in units" in words
    assert f"gain {model.gain:.4g}" in words
    assert "pixels are independent" in words
    assert "the same everywhere" in words
    with Image.open(picture) as drawn:
        assert drawn.size[0] > 1000
        assert len(drawn.convert("L").getcolors()) > 50
    again = run("noise", path, "--json", found)
    assert again.exit_code == 1
    assert "--overwrite" in again.stderr
    target = tmp_path / "out.tif"
    assert run("denoise", path, "-o", target, "--noise", found).exit_code == 0


def test_every_channel_has_its_own_noise(tmp_path):
    source, found = tmp_path / "two.ome.tif", tmp_path / "found.json"
    X = np.stack([noisy(64, 64), 2 * noisy(64, 64, seed=1)])
    tifffile.imwrite(source, X, metadata={"axes": "CYX"}, photometric="minisblack")
    for channels in ("independent", "together"):
        result = run(
            *("noise", source, "--channels", channels, "--json", found, "--overwrite")
        )
        assert result.exit_code == 0, result.output
        assert "channel 1" in result.stdout
        first, second = json.loads(found.read_text())
        assert second["level"] == pytest.approx(2 * first["level"], rel=0.2)
        options = ("--channels", channels, "--noise", found, "--overwrite")
        result = run("denoise", source, "-o", tmp_path / "out.tif", *options)
        assert result.exit_code == 0, result.output
        assert "the noise of 2 channels is told" in result.stderr


def test_without_matplotlib_the_extra_is_named(image, monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = run("noise", image, "--picture", tmp_path / "a.png")
    assert result.exit_code == 2
    assert "noise2detail[plot]" in " ".join(result.stderr.split())


def test_words_of_the_noise_say_what_it_means():
    scene = np.linspace(100, 300, 4096).reshape(1, 64, 64)
    rows = dict(rows_of(NoiseModel(10.0), scene))
    assert "5.1% of its contrast: seen in even places" in rows["level"]
    assert rows["that is"].startswith(
        "a pixel that should be 200 reads between 190 and 210"
    )
    assert rows["brightness"] == "the same in dark and bright places"
    assert "detector" not in rows
    # Variance 2 (x - 50): 10 at 100, 22.4 at 300.
    rows = dict(rows_of(NoiseModel(17.0, gain=2.0, offset=50.0), scene))
    assert rows["brightness"].startswith("bright places are noisier: 10.2 where it is")
    assert rows["detector"].startswith("gain 2 (units for a photon")
    rows = dict(rows_of(NoiseModel(90.0, correlation=[[0.4, 0], [0.3, 0]]), scene))
    assert "plain to see" in rows["level"]
    assert "0.40 along y and 0.30 along x" in rows["correlation"]


def test_the_share_of_the_contrast_is_the_one_that_denoise_says(tmp_path):
    rng = np.random.default_rng(1)
    scene = np.where(np.arange(96) // 16 % 2, 120.0, 80.0) + np.zeros((96, 1))
    path = tmp_path / "weak.tif"
    tifffile.imwrite(path, (scene + rng.normal(0, 15, (96, 96))).astype(np.float32))
    said = run("noise", path).stdout
    level = float(said.split("; ")[1].partition("%")[0])
    # Of the noisy image it would be 17 %: noise adds to the contrast.
    assert level == pytest.approx(100 * 15 / 40, rel=0.15)


def test_a_folder_is_said_to_be_one(tmp_path):
    (tmp_path / "series").mkdir()
    found = run("noise", tmp_path / "series")
    assert found.exit_code == 1
    assert "is a folder, and no image" in found.stderr
