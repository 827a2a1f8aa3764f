"""What the plugin does without a window: layers, fits, results, texts."""

import shlex
from types import SimpleNamespace

import numpy as np
import pytest

from n2d import Noise2DetailDenoiser
from n2d.applying.neighbours import N_NEIGHBOURS
from n2d.cli import app
from n2d.core.progress import Cancelled
from n2d.files import denoise_file
from n2d.io import write_image
from n2d.napari.folders import denoise_folder, pairs_of
from n2d.napari.layers import (
    ERROR,
    NOISE,
    LayerError,
    axes_of,
    removed_noise,
    results_like,
    source_of,
)
from n2d.napari.lazy import is_for_lazy, lazy_results
from n2d.napari.preview import Seen, picture_of
from n2d.napari.settings import (
    Settings,
    SettingsError,
    as_command,
    as_python,
    read_settings,
    write_settings,
)
from n2d.napari.words import error_in_words, noise_in_words, verdict_in_words
from n2d.napari.work import NEARBY, Fits, Watch

# The window shows what `fit` warns of.
pytestmark = pytest.mark.filterwarnings("ignore::n2d.NoiseWarning")


def noisy(shape=(64, 64), dtype=np.float32, seed=0, level=10.0):
    """A ramp with white noise."""
    rng = np.random.default_rng(seed)
    scene = np.linspace(50, 200, shape[-1]) * np.ones(shape)
    return (scene + rng.normal(0, level, shape)).astype(dtype)


def layer(data, labels=(), rgb=False, name="a layer", path=None):
    """What is looked at of a layer."""
    return SimpleNamespace(
        data=data,
        axis_labels=labels,
        rgb=rgb,
        ndim=data.ndim - rgb,
        multiscale=False,
        name=name,
        source=SimpleNamespace(path=path),
    )


def fits_of(data, labels=(), rgb=False, model=None, axes=None, **settings):
    source = source_of(layer(data, labels, rgb), axes)
    settings = Settings(**settings)
    return Fits(source, source.plan(settings, model), settings, model)


class OnDisk:
    """An array that is read when it is asked for, and counts what is read."""

    def __init__(self, array, shape=None):
        self._array, self.shape = array, array.shape if shape is None else shape
        self.dtype, self.ndim, self.n_read = array.dtype, len(self.shape), 0

    def __getitem__(self, key):
        key = key if isinstance(key, tuple) else (key,)
        if len(self.shape) > self._array.ndim:
            key = key[1:]
        part = self._array[key]
        self.n_read += part.size
        return part


# -- axes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "rgb", "expected"),
    [
        ((), False, "QQYX"),
        (("-4", "-3", "-2", "-1"), False, "QQYX"),
        (("T", "Channel", "y", "x"), False, "TCYX"),
        (("frame", "depth", "rows", "columns"), False, "TZYX"),
        (("y", "x", "c", "t"), False, "YXCT"),
        (("t", "t", "y", "x"), False, "QQYX"),
        (("x", "z", "t", "c"), False, "QZYX"),
        (("t", "y", "x"), True, "TYXS"),
    ],
)
def test_axes_are_read_from_labels_and_never_guessed(labels, rgb, expected):
    data = np.zeros((3, 3, 8, 3))
    assert axes_of(layer(data, labels, rgb)) == expected


def test_axes_that_do_not_fit_are_refused():
    with pytest.raises(LayerError, match="every letter once"):
        source_of(layer(np.zeros((3, 8, 8))), "YYX")
    with pytest.raises(LayerError, match="has 3 axes"):
        source_of(layer(np.zeros((3, 8, 8))), "TZYX")
    with pytest.raises(LayerError, match="no pixels"):
        source_of(layer(np.zeros((0, 8, 8))))
    with pytest.raises(LayerError, match="complex"):
        source_of(layer(np.zeros((8, 8), complex)))


# -- results -------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["bool", "int16", "float64"])
def test_a_run_is_what_the_estimator_gives(dtype):
    image = noisy()
    image = image > 120 if dtype == "bool" else image.astype(dtype)
    denoised, std, trust = fits_of(image).run(Watch(), return_std=True)
    expected = Noise2DetailDenoiser(random_state=0).fit(image)
    clean, error = expected.transform(image, return_std=True)
    np.testing.assert_array_equal(denoised, clean)
    np.testing.assert_array_equal(std, error.astype(np.float32))
    assert denoised.dtype == clean.dtype
    assert trust["verdict"] == expected.trust_.verdict


@pytest.mark.parametrize(("axes", "n_fits"), [("CTYX", 2), ("QQYX", 1)])
def test_planes_that_share_a_fit_do(axes, n_fits):
    stack = noisy((2, 2, 48, 48))
    axes = None if axes == "QQYX" else axes
    fits = fits_of(stack, axes=axes, stack="independent")
    assert len(fits.plan.fits) == n_fits
    denoised, _, _ = fits.run(Watch())
    groups = stack if n_fits == 2 else [stack.reshape(4, 48, 48)]
    expected = [Noise2DetailDenoiser(random_state=0).fit_transform(g) for g in groups]
    np.testing.assert_array_equal(denoised, np.reshape(expected, stack.shape))


def test_colours_are_one_image_and_opacity_is_kept():
    image = np.stack([noisy(seed=i) for i in range(4)], axis=-1)
    image = np.clip(image, 0, 255).astype(np.uint8)
    denoised, std, _ = fits_of(image, rgb=True).run(Watch(), return_std=True)
    assert denoised.dtype == np.uint8
    np.testing.assert_array_equal(denoised[..., 3], image[..., 3])
    expected = Noise2DetailDenoiser(channel_axis=-1, random_state=0).fit_transform(
        image[..., :3]
    )
    # Rounded; either way where it is in the middle.
    np.testing.assert_allclose(denoised[..., :3], expected.clip(0, 255), atol=0.5001)
    assert not std[..., 3].any()
    removed = removed_noise(image[..., :3], denoised[..., :3], "YXS")
    assert removed.shape == image.shape[:2]
    assert removed.min() < 0 < removed.max()


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (31, 47)])
def test_small_images_pass(shape):
    fits = fits_of(noisy(shape))
    assert fits.run(Watch())[0].shape == shape
    assert fits.part((), slice(0, 1), slice(0, 1), Watch())[0].shape == (1, 1)


def test_missing_values_stay():
    image = noisy()
    image[:, :5] = np.nan
    stack = np.stack([image, np.full_like(image, np.nan), noisy(seed=1)])
    denoised, _, _ = fits_of(stack).run(Watch())
    np.testing.assert_array_equal(np.isnan(denoised), np.isnan(stack))


def test_a_part_is_a_part_of_the_whole_at_any_strength():
    stack = noisy((3, 64, 80))
    fits = fits_of(stack)
    rows, columns = slice(10, 50), slice(3, 33)
    part, std = fits.part((1,), rows, columns, Watch(), return_std=True)
    assert std.shape == part.shape
    np.testing.assert_allclose(part, fits.run(Watch())[0][1, rows, columns], atol=1e-3)
    (known,) = fits._fits.values()
    stronger = fits.at(Settings(strength=2.0))
    part, _ = stronger.part((1,), rows, columns, Watch())
    expected = known[1].at_strength(2).transform(stack[1], region=(rows, columns))
    np.testing.assert_array_equal(part, expected)
    (still,) = fits._fits.values()
    assert still is known  # a look fits nothing anew
    stronger.run(Watch())
    (anew,) = fits._fits.values()
    assert anew[1].strength == 2


def test_other_methods_run_too():
    image = noisy()
    fits = fits_of(image, method="median")
    assert not fits.knows_error
    denoised, std, trust = fits.run(Watch())
    assert std is None
    assert trust is None
    part, _ = fits.part((), slice(40, 60), slice(0, 9), Watch())
    np.testing.assert_allclose(part, denoised[40:60, :9], rtol=1e-6)


def test_what_stops_stops_at_once_and_progress_ends_at_one():
    fits = fits_of(noisy((2, 48, 48)))
    shares = []
    watch = Watch(lambda share, text: shares.append(share), total=fits.total())
    fits.run(watch)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0, abs=0.01)
    with pytest.raises(Cancelled):
        fits_of(noisy()).run(Watch(is_cancelled=lambda: True))


# -- layers on disk ------------------------------------------------------------------


def test_results_of_planes_on_disk_are_computed_when_read():
    array = noisy((3, 2, 48, 48), np.uint16)
    data = OnDisk(array)
    fits = fits_of(data, axes="TZYX", stack="independent")
    assert is_for_lazy(fits.source, fits.plan)
    fits.fit_all(Watch())
    results = lazy_results(fits.kept(), ["denoised", NOISE, ERROR])
    data.n_read = 0
    one = results["denoised"][1, 1]
    results[NOISE][1, 1], results[ERROR][1, 1]
    assert data.n_read <= 2 * one.size  # its own pixels, once for the three
    denoiser = Noise2DetailDenoiser(random_state=0)
    stack = array.reshape(6, 48, 48)
    clean, error = denoiser.fit(stack).transform(stack, return_std=True)
    clean, error = clean.reshape(array.shape), error.reshape(array.shape)
    np.testing.assert_allclose(np.asarray(results["denoised"]), clean, atol=1e-3)
    np.testing.assert_allclose(
        results["denoised"][-1, :, ::2, 5], clean[-1, :, ::2, 5], atol=1e-3
    )
    np.testing.assert_allclose(results[ERROR][2], error[2], atol=1e-3)
    np.testing.assert_allclose(
        results[NOISE][0, 0], array[0, 0] - clean[0, 0], atol=0.01
    )


@pytest.mark.parametrize("level", [10.0, np.array([10.0, 5.0, 10.0])[:, None, None]])
def test_neighbours_are_used_as_in_files(tmp_path, level):
    stack = np.stack([noisy((3, 48, 48), seed=i, level=level) for i in range(2)], 1)
    fits = fits_of(OnDisk(stack), axes="TZYX")
    assert fits.plan.stack == "time"
    denoised, std, _ = fits.run(Watch(), return_std=True)
    write_image(tmp_path / "a.npy", stack, axes="TZYX")
    how = {"axes": "TZYX", "random_state": 0}
    denoise_file(tmp_path / "a.npy", tmp_path / "b.npy", **how)
    np.testing.assert_array_equal(denoised, np.load(tmp_path / "b.npy"))
    alone, _, _ = fits_of(stack, axes="TZYX", stack="independent").run(Watch())
    assert abs(denoised - alone).max() > 0.1
    results = lazy_results(fits.kept(), ["denoised", ERROR])
    np.testing.assert_allclose(results["denoised"][1], denoised[1], atol=1e-3)
    np.testing.assert_allclose(results[ERROR][2, 1], std[2, 1], atol=1e-3)
    assert fits.single_model().stack == "independent"


def test_of_a_long_series_of_neighbours_only_those_are_read():
    data = OnDisk(noisy((512, 512), np.uint16), shape=(40_000, 512, 512))
    fits = fits_of(data, axes="TYX")
    fits.fit_all(Watch())
    data.n_read = 0
    fits.part((20_000,), slice(0, 32), slice(0, 32), Watch())
    assert data.n_read < 8 * 512**2  # itself, and three to either side
    assert NEARBY >= max(N_NEIGHBOURS.values())


def test_of_a_long_series_on_disk_little_is_read():
    data = OnDisk(noisy((512, 512), np.uint16), shape=(40_000, 512, 512))
    fits = fits_of(data)
    fits.part((20_000,), slice(0, 32), slice(0, 32), Watch())
    assert data.n_read < 8 * 512**2  # of more than 20 GB


def test_large_planes_are_not_computed_while_one_looks():
    data = OnDisk(noisy((8, 8)), shape=(5, 8, 8))
    data.shape = (5, 30_000, 30_000)
    source = source_of(layer(data))
    assert not is_for_lazy(source, source.plan(Settings()))


# -- a part for the screen -----------------------------------------------------------


def test_a_picture_is_filled_from_the_middle():
    stack = noisy((2, 3, 40, 50))
    fits = fits_of(stack, axes="CTYX", channels="together")
    seen = Seen((1,), slice(5, 25), slice(10, 40), (1, 1, 5, 10))
    picture, write = picture_of(seen, fits)
    np.testing.assert_array_equal(picture, stack[1:, 1:2, 5:25, 10:40])
    clean, _ = fits.part(seen.place, seen.rows, seen.columns, Watch())
    assert clean.shape == (2, 20, 30)
    write(seen.rows, seen.columns, clean)
    np.testing.assert_array_equal(picture[0, 0], clean[1])
    wide = Seen((), slice(0, 1536), slice(0, 600), (0, 0))
    tiles = wide.tiles()
    assert tiles[0] == (slice(512, 1024), slice(0, 512))
    area = sum((r.stop - r.start) * (c.stop - c.start) for r, c in tiles)
    assert area == 1536 * 600


def test_results_lie_where_their_source_lies():
    data = noisy((2, 30, 30))
    source = layer(data)
    source.scale, source.units = (3.0, 0.5, 0.5), ("second", "um", "um")
    source.contrast_limits, source.colormap, source.gamma = [7, 9], "green", 0.5
    results = {"denoised": data, NOISE: data - 100, ERROR: abs(data)}
    found = results_like(source, source_of(source), results)
    assert [options["name"] for _, options, _ in found] == [
        f"a layer ({kind})" for kind in (ERROR, NOISE, "denoised")
    ]
    for _, options, _ in found:
        assert options["scale"] == (3.0, 0.5, 0.5)
        assert options["units"] == ("second", "um", "um")
    last = found[-1][1]
    assert last["contrast_limits"] == (7, 9)
    assert (last["colormap"], last["gamma"]) == ("green", 0.5)
    low, high = found[1][1]["contrast_limits"]
    assert low == -high


# -- texts ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "axes", "rgb", "settings"),
    [
        ((48, 40), None, False, {"strength": 1.5}),
        ((2, 32, 40), None, False, {"noise": 9.0}),
        ((2, 2, 32, 32), "TCYX", False, {"strength": 0.5}),
        ((1, 2, 2, 32, 32), "TCZYX", False, {"fit_per": "plane", "noise": 9.0}),
        ((2, 3, 32, 32), "TCYX", False, {"channels": "together"}),
        ((2, 2, 32, 32), "TCYX", False, {"fit_per": "file", "noise": 9.0}),
        ((3, 2, 2, 32, 32), "TCZYX", False, {"noise": 9.0}),
        ((3, 32, 32), "TYX", False, {"stack": "independent"}),
        ((48, 40, 3), None, True, {}),
        ((48, 40), None, False, {"method": "vst-tv"}),
    ],
)
def test_copied_python_gives_the_same_array(shape, axes, rgb, settings):
    data = noisy(shape)
    fits = fits_of(data, rgb=rgb, axes=axes, **settings)
    text = as_python(fits.source, fits.plan, fits.settings)
    viewer = SimpleNamespace(layers={"a layer": SimpleNamespace(data=data)})
    found = {"viewer": viewer}
    exec(text, found)  # as a user pastes it
    np.testing.assert_array_equal(found["denoised"], fits.run(Watch())[0])


def test_copied_commands_run_and_give_the_same(tmp_path):
    from typer.testing import CliRunner

    path = tmp_path / "my cells.tif"
    stack = noisy((2, 2, 48, 40), np.uint16)
    write_image(path, stack, axes="TCYX")
    source = source_of(layer(stack, path=str(path)), "TCYX")
    settings = Settings(strength=1.5, noise=9.0)
    words = shlex.split(as_command(source, settings))
    assert words[:2] == ["n2d", "denoise"]
    assert CliRunner().invoke(app, words[1:]).exit_code == 0
    fits = Fits(source, source.plan(settings), settings)
    # A reader that has lost the axes: the file is asked.
    assert source_of(layer(stack, path=str(path))).axes == "TCYX"
    assert source_of(layer(stack[0], path=str(path))).axes == "QYX"
    from n2d.io import read_image

    written = read_image(tmp_path / "my cells_denoised.tif").data
    np.testing.assert_array_equal(written, np.rint(fits.run(Watch())[0]))


def test_commands_say_what_differs_from_the_defaults():
    source = source_of(layer(noisy((3, 8, 8)), name="a/b c"), "CYX")
    settings = Settings(channels="together", fit_per="plane")
    assert as_command(source, settings) == (
        "n2d denoise a_b_c.tif -o a_b_c_denoised.tif --axes CYX --channels together "
        "--fit-per plane"
    )
    settings = Settings(method="n2d-paper")
    assert as_command(source, settings).endswith("--method n2d-paper --axes CYX")
    assert "--model m.n2d" in as_command(source, Settings(), "m.n2d")
    settings = Settings(method="vst-tv")
    assert "--method vst-tv" in as_command(source, settings)


def test_settings_come_back_and_foreign_ones_are_refused(tmp_path):
    path = tmp_path / "s.json"
    for settings in (
        Settings(),
        Settings("n2d", 1.7, 3.0, "together", "plane"),
        Settings("median", fit_per="file"),
        Settings(stack="independent"),
    ):
        write_settings(path, settings)
        assert read_settings(path, Settings()) == settings
    for text, why in (
        ("[]", "no JSON object"),
        ("{", "no JSON file"),
        ('{"method": "magic", "parameters": {}}', "magic"),
        ('{"method": "n2d", "parameters": {"max_iter": 7}}', "max_iter"),
        ('{"method": "n2d", "parameters": {"strength": -1}}', "strength"),
        ('{"method": "n2d", "parameters": {"noise": {"level": 3}}}', "as a model"),
    ):
        path.write_text(text)
        with pytest.raises(SettingsError, match=why):
            read_settings(path, Settings())
    with pytest.raises(SettingsError, match="more than 0"):
        Settings(noise=0.0).check()


def test_words():
    assert verdict_in_words(None)[0] == ""
    text, _ = verdict_in_words({"verdict": "good", "reasons": []})
    assert "looks like noise" in text
    text, _ = verdict_in_words({"verdict": "doubtful", "reasons": ["one", "two"]})
    assert text == "? Doubtful: one; two"
    fits = fits_of(noisy())
    fits.run(Watch())
    level, text, details = noise_in_words(fits.noise_of(()), fits.sample_of(()))
    assert level == pytest.approx(10, rel=0.1)
    assert "of its contrast" in text
    assert "correlation: none" in details
    assert "stopped" in error_in_words(Cancelled("x"))
    assert error_in_words(ValueError("a\n b")) == "a b"


# -- folders -------------------------------------------------------------------------


def test_one_bad_file_of_a_folder_stops_no_other(tmp_path):
    (tmp_path / "in").mkdir()
    for name in "ac":
        write_image(tmp_path / "in" / f"{name}.tif", noisy((32, 32), np.uint16))
    (tmp_path / "in" / "b.tif").write_bytes(b"no image")
    pairs = pairs_of(str(tmp_path / "in"), str(tmp_path / "out"))
    rows, settings = [], Settings(noise=9.0)
    assert denoise_folder(pairs, settings, rows, Watch(total=3)) == 2
    assert [row.name for row in rows] == ["a.tif", "b.tif", "c.tif"]
    assert rows[1].outcome.startswith("failed: ")
    assert "b.tif" not in rows[1].outcome  # said beside it
    assert (rows[0].outcome, rows[2].outcome) == ("denoised", "denoised")
    again = []
    assert denoise_folder(pairs[::2], settings, again, Watch(total=2)) == 0
    assert [row.outcome for row in again] == ["is there already"] * 2
    watch = Watch(is_cancelled=lambda: True)
    with pytest.raises(Cancelled):
        denoise_folder(pairs, settings, [], watch)
    for source, target in (("", "x"), (str(tmp_path / "in"), "")):
        with pytest.raises(ValueError, match="folder"):
            pairs_of(source, target)
