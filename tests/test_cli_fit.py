"""`n2d fit` and `n2d info MODEL`: models from the command line."""

import json

import numpy as np
import pytest
import tifffile
from PIL import Image
from typer.testing import CliRunner

from n2d import Noise2DetailDenoiser
from n2d.cli import app

FEW = ["--init", "random", "--max-iter", "2", "--detail-max-iter", "0"]
FEW_STEPS = {"init": "random", "max_iter": 2, "detail_max_iter": 0, "random_state": 0}


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def noisy(*shape, seed=0):
    rng = np.random.default_rng(seed)
    return (100 + rng.normal(0, 8, shape)).astype(np.uint8)


@pytest.fixture
def model(tmp_path):
    return tmp_path / "model.n2d"


def write(path, array, axes=None):
    metadata = {} if axes is None else {"metadata": {"axes": axes}, "ome": True}
    tifffile.imwrite(path, array, photometric="minisblack", **metadata)
    return path


def test_one_image_gives_the_model_that_the_estimator_gives(tmp_path, model):
    X = noisy(40, 36)
    result = run("fit", write(tmp_path / "a.tif", X), "-o", model)
    assert result.exit_code == 0, result.output
    expected = Noise2DetailDenoiser(random_state=0).fit([X])
    loaded = Noise2DetailDenoiser.load(model)
    np.testing.assert_array_equal(loaded.transform(X), expected.transform(X))
    assert loaded.get_params() == expected.get_params()
    # What was measured, in units of the image.
    level = f"{expected.noise_.level:.4g}"
    assert f"noise level   {level}, in units of the image" in result.stdout
    assert "fitted to     1 image, 40 x 36, uint8" in result.stdout
    assert f"{model}: written in" in result.stderr


def test_several_images_of_any_size_share_one_fit(tmp_path, model):
    stack, single = noisy(2, 32, 36), noisy(20, 24, seed=1)
    paths = [
        write(tmp_path / "stack.tif", stack),
        write(tmp_path / "single.tif", single),
    ]
    assert run("fit", *paths, "-o", model, *FEW, "-q").exit_code == 0
    expected = Noise2DetailDenoiser(**FEW_STEPS).fit([*stack, single])
    loaded = Noise2DetailDenoiser.load(model)
    np.testing.assert_array_equal(loaded.transform(stack), expected.transform(stack))
    assert loaded.input_fingerprint_ == expected.input_fingerprint_
    assert loaded.input_fingerprint_["n_images"] == 3


def test_colours_are_taken_together(tmp_path, model):
    X = noisy(32, 36, 3)
    Image.fromarray(X).save(tmp_path / "photo.png")
    assert run("fit", tmp_path / "photo.png", "-o", model).exit_code == 0
    loaded = Noise2DetailDenoiser.load(model)
    assert loaded.channel_axis == -1
    expected = Noise2DetailDenoiser(random_state=0, channel_axis=-1).fit([X])
    np.testing.assert_array_equal(loaded.transform(X), expected.transform(X))


def test_channels_are_taken_one_by_one_unless_asked_together(tmp_path, model):
    X = noisy(2, 32, 36)
    path = write(tmp_path / "channels.ome.tif", X, axes="CYX")
    assert run("fit", path, "-o", model, *FEW).exit_code == 0
    loaded = Noise2DetailDenoiser.load(model)
    expected = Noise2DetailDenoiser(**FEW_STEPS).fit(list(X))
    np.testing.assert_array_equal(loaded.transform(X), expected.transform(X))
    together = ["--channel-axis", "0", "--overwrite"]
    assert run("fit", path, "-o", model, *FEW, *together).exit_code == 0
    loaded = Noise2DetailDenoiser.load(model).set_params(channel_axis=0)
    assert loaded.transform(X).shape == X.shape


def test_options_and_tuned_parameters_reach_the_model(tmp_path, model):
    path = write(tmp_path / "a.tif", noisy(32, 36))
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"parameters": {"max_iter": 3, "solver": "paper"}}))
    options = ["--config", config, "--max-iter", "2", "--detail-max-iter", "1"]
    options += ["--factors", "2", "--learning-rate", "0.002", "--seed", "7"]
    options += ["--data-range", "0", "255", "--device", "cpu"]
    result = run("fit", path, "-o", model, *options)
    assert result.exit_code == 0, result.output
    found = Noise2DetailDenoiser.load(model).get_params()
    expected = Noise2DetailDenoiser(
        solver="paper",
        max_iter=2,
        detail_max_iter=1,
        downsampling_factors=(2,),
        learning_rate=0.002,
        random_state=7,
        data_range=(0.0, 255.0),
        device="cpu",
    )
    assert found == expected.get_params()
    assert "noise         not measured" in result.stdout
    assert "solver='paper'" in result.stdout


def test_images_of_different_kinds_are_refused(tmp_path, model):
    Image.fromarray(noisy(32, 36, 3)).save(tmp_path / "photo.png")
    paths = [write(tmp_path / "grey.tif", noisy(32, 36)), tmp_path / "photo.png"]
    result = run("fit", *paths, "-o", model, *FEW)
    assert result.exit_code == 1
    assert "photo.png has 3 channels together, but" in result.stderr
    assert not model.exists()


def test_nothing_is_computed_where_nothing_can_be_written(tmp_path, model):
    model.write_bytes(b"precious")
    result = run("fit", tmp_path / "absent.tif", "-o", model)
    assert result.exit_code == 1
    assert "model.n2d: exists already; --overwrite replaces it" in result.stderr
    assert model.read_bytes() == b"precious"
    result = run("fit", tmp_path / "absent.tif", "-o", model, "--overwrite")
    assert result.exit_code == 1
    assert "absent.tif" in result.stderr
    assert model.read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data-range", "3", "3"], "3 is not below 3"),
        (["--learning-rate", "0"], "0.0 is not above 0"),
        (["--factors", "2,2"], "no list of different whole numbers"),
        (["--config", "absent.json"], "absent.json"),
    ],
)
def test_senseless_options_are_named(options, message, tmp_path, model):
    path = write(tmp_path / "a.tif", noisy(20, 24))
    result = run("fit", path, "-o", model, *options)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert options[0] in result.stderr


def test_info_describes_a_model(tmp_path, model):
    Image.fromarray(noisy(32, 36, 3)).save(tmp_path / "photo.png")
    fitted = run("fit", tmp_path / "photo.png", "-o", model, "-q")
    result = run("info", model)
    assert result.exit_code == 0, result.output
    first, rest = result.stdout.split("\n", 1)
    assert str(model) in first
    assert "written by n2d" in first
    assert rest == fitted.stdout
    level = next(line for line in rest.splitlines() if line.startswith("noise level"))
    assert level.count(",") == 3  # three channels


def test_info_says_what_is_wrong_with_a_file(tmp_path):
    path = tmp_path / "photo.n2d"
    path.write_bytes(b"something else")
    result = run("info", path)
    assert result.exit_code == 1
    assert f"error: {path}: is no n2d model file" in " ".join(result.stderr.split())
    assert run("info", tmp_path / "absent.n2d").exit_code == 1
