"""What was fitted to one image and does not suit another warns."""

import json
import warnings

import numpy as np
import pytest
from typer.testing import CliRunner

from n2d import Noise2DetailDenoiser, NoiseWarning, denoise_file
from n2d.cli import app
from n2d.datasets import fluorescence_cells
from n2d.io import write_image

SCENE = 200 + 3000 * fluorescence_cells((160, 160), rng=0)


def noisy(level, seed=0):
    rng = np.random.default_rng(seed)
    return np.clip(rng.normal(SCENE, level), 0, 65535)


@pytest.fixture(scope="module")
def fitted():
    return Noise2DetailDenoiser(random_state=0).fit(noisy(100).astype(np.uint16))


def said(fitted, image):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted.transform(image)
    assert all(issubclass(w.category, NoiseWarning) for w in caught)
    return " ".join(str(w.message) for w in caught)


def test_other_noise_range_and_type_do_not_suit(fitted):
    louder = said(fitted, noisy(500).astype(np.uint16))
    assert "does not suit this image: its noise is far stronger" in louder
    assert "far weaker" in said(fitted, noisy(20).astype(np.uint16))
    as_uint8 = np.clip(noisy(100) / 257, 0, 255).astype(np.uint8)
    assert "does not suit" in said(fitted, as_uint8)
    assert "intensities are far beyond" in said(fitted, noisy(100) + 60000)


def test_its_own_image_parts_of_it_and_others_of_its_kind_suit(fitted, tmp_path):
    image = noisy(100).astype(np.uint16)
    fitted.save(tmp_path / "a.n2d")
    for one in (fitted, Noise2DetailDenoiser.load(tmp_path / "a.n2d")):
        assert not said(one, image)
        assert not said(one, image[:80, 40:])
        assert not said(one, noisy(100, seed=5).astype(np.float32))
        assert not said(one, np.stack([noisy(100, seed=s) for s in range(3)]))


def test_texture_is_no_noise_where_fit_saw_it():
    rng = np.random.default_rng(0)
    texture = np.kron(rng.integers(0, 2, (80, 80)), [[0, 90], [90, 0]]) + 100.0
    image = rng.normal(texture, 2)
    with warnings.catch_warnings(action="ignore", category=NoiseWarning):
        fitted = Noise2DetailDenoiser(random_state=0).fit(image)
    assert not said(fitted, image)


def test_one_channel_of_several_that_does_not_suit(fitted, tmp_path):
    fitted.save(tmp_path / "a.n2d")
    two = np.stack([noisy(100), noisy(900)]).astype(np.uint16)
    write_image(tmp_path / "two.tif", two, axes="CYX")
    with pytest.warns(UserWarning, match="does not suit"):
        done = denoise_file(
            tmp_path / "two.tif", tmp_path / "b.tif", model=tmp_path / "a.n2d"
        )
    assert any("does not suit" in note for note in done.notes)
    arguments = ["denoise", str(tmp_path / "two.tif"), "-o", str(tmp_path / "c.tif")]
    found = CliRunner().invoke(app, [*arguments, "--model", str(tmp_path / "a.n2d")])
    assert found.exit_code == 0
    assert "warning: what was fitted does not suit this image" in found.stderr


def test_small_images_and_brightness_are_looked_at():
    small = Noise2DetailDenoiser(random_state=0).fit(noisy(100)[:64, :64])
    assert not said(small, noisy(100, seed=3)[:64, 64:128])
    assert "far stronger" in said(small, noisy(400)[:64, :64])
    rng = np.random.default_rng(0)
    ramp = np.linspace(10, 1000, 160) * np.ones((160, 1))
    white = Noise2DetailDenoiser(random_state=0).fit(rng.normal(ramp, 70))
    assert not said(white, rng.normal(ramp[::-1], 70))
    assert "depends on brightness" in said(white, 10.0 * rng.poisson(ramp / 10))
    assert "contrast is a small part" in said(white, rng.normal(500, 15, (160, 160)))


def test_a_config_says_where_it_was_not_tuned(tmp_path):
    images = {
        "a.tif": noisy(100).astype(np.uint16),
        "same.tif": noisy(100, seed=4).astype(np.uint16),
        "loud.tif": noisy(400).astype(np.uint16),
        "eight.tif": (noisy(100) / 257).astype(np.uint8),
    }
    for name, image in images.items():
        write_image(tmp_path / name, image[:96, :96])
    config = str(tmp_path / "a.json")
    told = ["--method", "gaussian", "--grid", "blur=1,2", "-q"]
    tune = ["tune", str(tmp_path / "a.tif"), "-o", config, *told]
    assert CliRunner().invoke(app, tune).exit_code == 0

    def told_of(name):
        arguments = [str(tmp_path / name), "-o", f"{tmp_path / name}.out.tif"]
        found = CliRunner().invoke(app, ["denoise", *arguments, "--config", config])
        assert found.exit_code == 0, found.output
        return found.stderr

    for name in ("a.tif", "same.tif"):
        assert "does not suit" not in told_of(name)
    assert "the config does not suit this image: its noise is far" in told_of(
        "loud.tif"
    )
    assert "does not suit" in told_of("eight.tif")
    damaged = json.loads((tmp_path / "a.json").read_text())
    damaged["seen"][0]["detail"] = ["x"]
    (tmp_path / "a.json").write_text(json.dumps(damaged))
    found = CliRunner().invoke(
        app, ["denoise", *tune[1:2], "-o", "b", "--config", config]
    )
    assert found.exit_code == 2
    assert "makes no sense" in found.stderr
