"""`n2d fit` and `n2d info MODEL`: models from the command line."""

import json
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from PIL import Image
from typer.testing import CliRunner

import n2d.io
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
    assert f"noise level   {level}, a standard deviation in units" in result.stdout
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
    assert loaded.channel_axis == 2
    expected = Noise2DetailDenoiser(random_state=0, channel_axis=2).fit([X])
    np.testing.assert_array_equal(loaded.transform(X), expected.transform(X))
    grey = write(tmp_path / "grey.tif", X[..., 0])
    wrong = run("denoise", grey, "-o", tmp_path / "b.tif", "--model", model)
    assert wrong.exit_code == 1
    assert "does not suit this image: it is of 3 channels at a time" in wrong.stderr
    assert "channel_axis" not in wrong.stderr


def test_channels_are_taken_one_by_one_unless_asked_together(tmp_path, model):
    X = noisy(2, 32, 36)
    path = write(tmp_path / "channels.ome.tif", X, axes="CYX")
    assert run("fit", path, "-o", model, *FEW).exit_code == 0
    loaded = Noise2DetailDenoiser.load(model)
    expected = Noise2DetailDenoiser(**FEW_STEPS).fit(list(X))
    np.testing.assert_array_equal(loaded.transform(X), expected.transform(X))
    expected = Noise2DetailDenoiser(**FEW_STEPS, channel_axis=0).fit([X])
    for together in (["--channels", "together"], ["--channel-axis", "0"]):
        options = [*FEW, *together, "--overwrite"]
        assert run("fit", path, "-o", model, *options).exit_code == 0
        loaded = Noise2DetailDenoiser.load(model)
        np.testing.assert_array_equal(loaded.transform(X), expected.transform(X))


def test_axes_can_be_named(tmp_path, model):
    X = noisy(2, 3, 24, 28)
    path = write(tmp_path / "a.tif", X)
    assert run("fit", path, "-o", model, *FEW, "--axes", "tcyx").exit_code == 0
    loaded = Noise2DetailDenoiser.load(model)
    assert loaded.input_fingerprint_["n_images"] == 6
    assert loaded.input_fingerprint_["shape"] == (24, 28)
    result = run("fit", path, "-o", model, *FEW, "--axes", "yx", "--overwrite")
    assert result.exit_code == 1
    assert "--axes YX: the file has 4 axes" in result.stderr


def test_folders_stand_for_their_images(tmp_path, model):
    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(3):
        write(folder / f"{i}.tif", noisy(20, 24, seed=i))
    (folder / "notes.txt").write_text("no image")
    assert run("fit", folder, "-o", model, *FEW).exit_code == 0
    expected = Noise2DetailDenoiser(**FEW_STEPS).fit(
        [noisy(20, 24, seed=i) for i in range(3)]
    )
    loaded = Noise2DetailDenoiser.load(model)
    assert loaded.input_fingerprint_ == expected.input_fingerprint_
    (folder / "empty").mkdir()
    result = run("fit", folder / "empty", "-o", model, *FEW)
    assert result.exit_code == 2
    assert "IMAGES" in result.stderr


def test_files_are_read_in_parts_and_not_kept_open(tmp_path, model, monkeypatch):
    n_read, n_open = [], []
    original = n2d.io.open_image

    def counted(path, series=None):
        image = original(path, series)
        n_open.append(path)
        assert len(n_open) <= 1

        class Counted:
            def __enter__(self):
                opened = image.__enter__()

                class Data:
                    shape, dtype = opened.data.shape, opened.data.dtype
                    ndim = len(shape)

                    def __getitem__(self, key):
                        values = opened.data[key]
                        n_read.append(np.size(values))
                        return values

                return replace(opened, data=Data())

            def __exit__(self, *error):
                n_open.pop()
                return image.__exit__(*error)

        return Counted()

    paths = [write(tmp_path / f"{i}.tif", noisy(300, 1200, seed=i)) for i in range(3)]
    for path in paths:  # in strips, of which some are read
        tifffile.imwrite(path, tifffile.imread(path), rowsperstrip=16)
    monkeypatch.setattr("n2d.io.open_image", counted)
    monkeypatch.setattr("n2d.files._planes.open_image", counted)
    assert run("fit", *paths, "-o", model, *FEW).exit_code == 0
    assert not n_open
    # What the fit looks at, and the middle of each image for its fingerprint.
    assert 0 < sum(n_read) < 1.1 * 512**2 + 3 * 256**2


def test_the_model_of_an_image_denoises_it_as_without_a_model(tmp_path, model):
    path = write(tmp_path / "a.tif", noisy(40, 36))
    assert run("fit", path, "-o", model).exit_code == 0
    arguments = ["denoise", path, "-o"]
    assert run(*arguments, tmp_path / "with.tif", "--model", model).exit_code == 0
    assert run(*arguments, tmp_path / "without.tif").exit_code == 0
    found, expected = (
        tifffile.imread(tmp_path / name) for name in ("with.tif", "without.tif")
    )
    np.testing.assert_array_equal(found, expected)
    result = run(*arguments, tmp_path / "bad.tif", "--model", path)
    assert result.exit_code == 2
    assert "Invalid value for --model" in result.stderr
    assert "is no n2d model file" in " ".join(result.stderr.split())
    assert not (tmp_path / "bad.tif").exists()


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
    assert "photo.png has 3 channels together, along axis 2" in result.stderr
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
        (["--strength", "much"], "'much' is no"),
        (["--noise", "much"], "'much' is no number, no file, and not auto"),
        (["--seed", "-1"], "-1 "),
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
    refused = run("info", tmp_path / "photo.png")
    assert refused.exit_code == 2
    assert "is an image, and no model" in " ".join(refused.stderr.split())
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
