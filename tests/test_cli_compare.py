"""`n2d compare`, on real files."""

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
from n2d.baselines import GaussianDenoiser, MedianDenoiser
from n2d.cli import app
from n2d.comparison import read_results
from n2d.metrics import psnr, ssim

METHODS = ("--methods", "gaussian:blur=2,median")
CHEAP = {"gaussian:blur=2": GaussianDenoiser(blur=2), "median": MedianDenoiser()}


def run(*arguments):
    """Run `n2d compare` in this process."""
    return CliRunner().invoke(app, ["compare", *map(str, arguments)])


def pair(shape=(32, 40), dtype=np.uint8, seed=0):
    """A noisy image far from the limits of its type, and its clean version."""
    rng = np.random.default_rng(seed)
    clean = np.broadcast_to(np.linspace(60, 190, shape[-1]), shape)
    noisy = clean + rng.normal(0, 10, shape)
    return noisy.astype(dtype), clean.astype(dtype)


def write_pair(folder, name="cells.tif", noisy_folder="noisy", **options):
    noisy, clean = pair(**options)
    for kind, array in ((noisy_folder, noisy), ("clean", clean)):
        (folder / kind).mkdir(exist_ok=True, parents=True)
        tifffile.imwrite(folder / kind / name, array, photometric="minisblack")
    return noisy, clean


@pytest.fixture
def images(tmp_path):
    """A noisy file, its clean version, and both arrays."""
    noisy, clean = write_pair(tmp_path)
    return (
        tmp_path / "noisy" / "cells.tif",
        tmp_path / "clean" / "cells.tif",
        (
            noisy,
            clean,
        ),
    )


def rows_of(folder):
    return read_results(folder / "results.csv")


# -- what is computed ------------------------------------------------------------------


def test_tables_hold_quality_score_and_seconds(images, tmp_path):
    source, truth, (noisy, clean) = images
    out = tmp_path / "out"
    result = run(source, "--clean", truth, *METHODS, "-o", out)
    assert result.exit_code == 0, result.output
    assert sorted(os.listdir(out)) == [
        "cells.png",
        "report.html",
        "results.csv",
        "summary.md",
    ]
    rows = rows_of(out)
    assert [row["method"] for row in rows] == list(CHEAP)
    for row, denoiser in zip(rows, CHEAP.values(), strict=True):
        estimate = denoiser.fit_transform(noisy)
        assert row["case"] == "cells"
        assert row["psnr"] == pytest.approx(psnr(clean, estimate, 255), rel=1e-5)
        assert row["ssim"] == pytest.approx(ssim(clean, estimate, 255), rel=1e-5)
        assert row["score"] == pytest.approx(denoiser.score(noisy), rel=1e-5)
        assert row["seconds"] > 0
        assert f"{row['psnr']:.2f}" in result.stdout
        assert f"{row['psnr']:.2f}" in (out / "summary.md").read_text()
    with Image.open(out / "cells.png") as picture:
        assert min(picture.size) > 800
    assert "PSNR and SSIM for 0 to 255 (all that uint8 can hold)" in result.stderr


def test_without_a_clean_image_there_are_score_and_seconds(images, tmp_path):
    result = run(images[0], *METHODS, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    rows = rows_of(tmp_path / "out")
    assert all(row["psnr"] is row["ssim"] is None for row in rows)
    assert all(row["score"] is not None and row["seconds"] > 0 for row in rows)
    assert "PSNR" not in result.stdout
    assert "score" in result.stdout
    assert "the share of the noise that is removed" in result.stderr
    for name in ("summary.md", "report.html"):
        assert (tmp_path / "out" / name).read_text().count("off by chance") == 1
    assert (tmp_path / "out" / "cells.png").is_file()


def test_nothing_runs_twice_for_the_figure(images, tmp_path, monkeypatch):
    fits = []
    fit = GaussianDenoiser.fit
    monkeypatch.setattr(
        GaussianDenoiser, "fit", lambda self, X, y=None: fits.append(0) or fit(self, X)
    )
    assert run(images[0], *METHODS, "-o", tmp_path / "out").exit_code == 0
    assert len(fits) == 1


def test_the_defaults_need_no_extra_and_are_in_the_help(images, tmp_path, monkeypatch):
    for name in ("bm3d", "bmnd", "pywt"):
        monkeypatch.setitem(sys.modules, name, None)
    assert run(images[0], "-o", tmp_path / "out").exit_code == 0
    methods = [row["method"] for row in rows_of(tmp_path / "out")]
    assert methods[0] == "n2d"
    text = "".join(run("--help").stdout.split())
    assert ",".join(methods) in text.replace("│", "")


def test_the_seed_and_the_range_reach_those_who_take_them(tmp_path, images):
    methods = "n2d:max_iter=1,n2d-paper:max_iter=1,detail_max_iter=0"
    result = run(images[0], "--methods", methods, "--seed", 5, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    ours, paper = (row["parameters"] for row in rows_of(tmp_path / "out"))
    assert ours == "Noise2DetailDenoiser(max_iter=1, random_state=5)"
    assert "random_state=5" in paper
    assert "data_range=(0.0, 255.0)" in paper


# -- folders ---------------------------------------------------------------------------


def test_a_folder_of_pairs(tmp_path):
    write_pair(tmp_path / "set", "a.tif")
    write_pair(tmp_path / "set", "b.tif", seed=1)
    (tmp_path / "set" / "noisy" / "README.txt").write_text("no image")
    result = run(tmp_path / "set", *METHODS, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    rows = rows_of(tmp_path / "out")
    assert [row["case"] for row in rows] == ["a", "a", "b", "b"]
    assert all(row["psnr"] > 20 for row in rows)
    assert {"a.png", "b.png"} < set(os.listdir(tmp_path / "out"))
    mean = (rows[0]["psnr"] + rows[2]["psnr"]) / 2
    assert f"{mean:.2f}" in result.stdout


@pytest.mark.parametrize("with_clean", [False, True])
def test_a_folder_of_noisy_images(tmp_path, with_clean):
    write_pair(tmp_path, "a.tif", noisy_folder="mine")
    options = ("--clean", tmp_path / "clean") if with_clean else ()
    result = run(tmp_path / "mine", *options, *METHODS, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert (rows_of(tmp_path / "out")[0]["psnr"] is not None) == with_clean


def test_one_bad_file_does_not_stop_the_others(tmp_path):
    write_pair(tmp_path / "set", "a.tif")
    write_pair(tmp_path / "set", "b.tif", seed=1)
    (tmp_path / "set" / "noisy" / "a.tif").write_bytes(b"II*\0broken")
    result = run(tmp_path / "set", *METHODS, "-o", tmp_path / "out")
    assert result.exit_code == 1
    errors = [x for x in result.stderr.splitlines() if x.startswith("error: ")]
    assert len(errors) == 1
    assert "a, all methods: ImageFileError: a.tif" in errors[0]
    assert rows_of(tmp_path / "out")[2]["psnr"] > 20
    assert (tmp_path / "out" / "b.png").is_file()
    assert not (tmp_path / "out" / "a.png").exists()


# -- stacks and channels ---------------------------------------------------------------


def test_of_a_stack_one_plane_is_drawn_and_all_are_judged(tmp_path):
    noisy, clean = write_pair(tmp_path, shape=(3, 32, 40), dtype=np.uint16)
    source, truth = tmp_path / "noisy" / "cells.tif", tmp_path / "clean" / "cells.tif"
    result = run(
        *(source, "--clean", truth, *METHODS, "--plane", 2),
        *("--data-range", 0, 255, "-o", tmp_path / "out"),
    )
    assert result.exit_code == 0, result.output
    assert "3 planes" in result.stderr
    estimate = GaussianDenoiser(blur=2).fit_transform(noisy)
    row = rows_of(tmp_path / "out")[0]
    assert row["psnr"] == pytest.approx(psnr(clean, estimate, 255), rel=1e-5)
    assert (tmp_path / "out" / "cells.png").is_file()

    result = run(source, *METHODS, "--plane", 3, "-o", tmp_path / "other")
    assert result.exit_code == 1
    assert "--plane 3: there are planes 0 to 2" in result.stderr


def test_a_part_to_enlarge_that_is_none_is_named_before_anything_is_computed(
    images, tmp_path, monkeypatch
):
    def compute(*_, **__):
        raise AssertionError("nothing may be computed")

    monkeypatch.setattr(GaussianDenoiser, "fit", compute)
    methods = ("--methods", "gaussian")
    options = (*methods, "--inset", 30, 0, 8, 8)
    result = run(images[0], *options, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "--inset 30 0 8 8" in result.stderr
    assert "32 x 40" in result.stderr


def test_colour_is_known_from_the_file_and_opacity_left_out(tmp_path):
    noisy, _ = pair((32, 4, 40))
    Image.fromarray(noisy.swapaxes(1, 2)).save(tmp_path / "photo.png")
    methods = ("--methods", "vst-tv,gaussian:blur=2")
    result = run(tmp_path / "photo.png", *methods, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "3 channels together, as the file says" in result.stderr
    assert (tmp_path / "out" / "photo.png").is_file()


def test_a_stack_of_colour_images(tmp_path):
    noisy, _ = pair((2, 3, 32, 40), np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", noisy, photometric="minisblack")
    options = ("--channel-axis", 1, "--plane", 1, "--inset", 4, 4, 8, 8)
    result = run(tmp_path / "a.tif", *options, *METHODS, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "3 channels together, as --channel-axis says" in result.stderr


# -- the data range --------------------------------------------------------------------


def test_the_range_is_the_clean_images_own_unless_said_otherwise(tmp_path):
    noisy, clean = write_pair(tmp_path, dtype=np.float32)
    source, truth = tmp_path / "noisy" / "cells.tif", tmp_path / "clean" / "cells.tif"
    options = (source, "--clean", truth, *METHODS)
    result = run(*options, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "(the clean image's own)" in result.stderr
    expected = psnr(clean, MedianDenoiser().fit_transform(noisy), np.ptp(clean))
    row = next(r for r in rows_of(tmp_path / "out") if r["method"] == "median")
    assert row["psnr"] == pytest.approx(expected, rel=1e-5)
    assert row["data_range"] == pytest.approx(float(np.ptp(clean)))
    result = run(*options, "--data-range", -50, 350, "-o", tmp_path / "b")
    assert result.exit_code == 0, result.output
    assert "PSNR and SSIM for -50 to 350 (--data-range)" in result.stderr
    estimate = MedianDenoiser().fit_transform(noisy)
    expected = psnr(clean, estimate, 400)
    assert rows_of(tmp_path / "b")[1]["psnr"] == pytest.approx(expected, rel=1e-5)
    assert run(source, *METHODS, "-o", tmp_path / "c").exit_code == 0


# -- what goes wrong -------------------------------------------------------------------


def test_a_method_without_its_extra_is_a_row_and_the_others_go_on(
    images, tmp_path, monkeypatch
):
    for name in ("bm3d", "bmnd"):
        monkeypatch.setitem(sys.modules, name, None)
    methods = ("--methods", "bm3d", "--methods", "median")
    result = run(images[0], *methods, "-o", tmp_path / "out")
    assert result.exit_code == 1
    failed, fine = rows_of(tmp_path / "out")
    assert failed["error"].startswith("ImportError: ")
    assert "noise2detail[" in failed["error"]
    assert fine["score"] is not None
    assert f"error: cells, bm3d: {failed['error']}" in result.stderr
    assert "bm3d: ImportError" in (tmp_path / "out" / "summary.md").read_text()
    assert (tmp_path / "out" / "cells.png").is_file()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--methods", "magic"], ["--methods", "'magic'", "vst-bm3d", "identity"]),
        (["--methods", "gaussian:width=3"], ["--methods", "blur"]),
        (["--clean", "nowhere.tif"], ["--clean", "does not exist"]),
        (["--clean", "."], ["--clean", "two files or two folders"]),
        (["--data-range", "3", "3"], ["--data-range"]),
        (["--plane", "-1"], ["--plane"]),
    ],
)
def test_wrong_options_are_named(images, tmp_path, options, words):
    result = run(images[0], *options, "-o", tmp_path / "out")
    assert result.exit_code == 2, result.output
    text = " ".join(result.stderr.split())
    for word in words:
        assert word in text
    assert not (tmp_path / "out").exists()


def test_wrong_images_are_named(images, tmp_path):
    (tmp_path / "empty").mkdir()
    for source, word in (("nowhere.tif", "does not exist"), ("empty", "has no .tif")):
        result = run(tmp_path / source, *METHODS, "-o", tmp_path / "out")
        assert result.exit_code == 2
        assert word in " ".join(result.stderr.split())
    write_pair(tmp_path, "lonely.tif")
    (tmp_path / "clean" / "lonely.tif").unlink()
    result = run(tmp_path, *METHODS, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "no image for: lonely" in " ".join(result.stderr.split())


def test_existing_results_stay_unless_overwrite_is_given(images, tmp_path):
    out = tmp_path / "out"
    assert run(images[0], *METHODS, "-o", out).exit_code == 0
    before = {path: path.read_bytes() for path in out.iterdir()}
    result = run(images[0], "--methods", "median", "-o", out)
    assert result.exit_code == 1
    assert "--overwrite" in result.stderr
    assert before == {path: path.read_bytes() for path in out.iterdir()}
    result = run(images[0], "--methods", "median", "-o", out, "--overwrite")
    assert result.exit_code == 0, result.output
    assert [row["method"] for row in rows_of(out)] == ["median"]
    assert (out / "cells.png").read_bytes() != before[out / "cells.png"]


def test_neither_a_file_nor_an_input_is_taken_for_the_folder(images, tmp_path):
    result = run(images[0], *METHODS, "-o", images[1])
    assert result.exit_code == 2
    assert "--output" in result.stderr
    (tmp_path / "pngs").mkdir()
    source = tmp_path / "pngs" / "a.png"
    Image.fromarray(images[2][0]).save(source)
    before = source.read_bytes()
    result = run(source.parent, *METHODS, "-o", source.parent, "--overwrite")
    assert result.exit_code == 1
    assert "is an input" in result.stderr
    assert source.read_bytes() == before


def test_without_matplotlib_there_are_tables_and_the_extra_is_named(
    images, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = run(images[0], *METHODS, "--figure", "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "noise2detail[plot]" in result.stderr
    result = run(images[0], *METHODS, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "noise2detail[plot]" in result.stderr
    assert sorted(os.listdir(tmp_path / "out")) == [
        "report.html",
        "results.csv",
        "summary.md",
    ]


def test_quiet_says_nothing_but_the_table(images, tmp_path):
    result = run(images[0], *METHODS, "-o", tmp_path / "out", "--quiet")
    assert result.stderr == ""
    assert len(result.stdout.splitlines()) == 3


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_an_interrupted_run_leaves_whole_files_only(images, tmp_path):
    out = tmp_path / "out"
    methods = "median,n2d-random:max_iter=1000000"
    command = ["compare", images[0], "--methods", methods, "-o", out]
    with subprocess.Popen(
        [sys.executable, "-c", "from n2d.cli import main; main()", *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(n2d.__file__).parents[1],
    ) as process:
        seen = ""
        while "median: score" not in seen:
            character = process.stderr.read(1)
            assert character, f"ended: {seen}"
            seen += character
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in errors
    assert "Traceback" not in errors
    assert os.listdir(out) == ["results.csv"]
    assert [row["method"] for row in rows_of(out)] == ["median"]
