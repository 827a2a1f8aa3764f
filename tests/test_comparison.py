import csv
import math
import os
import signal
import subprocess
import sys
import threading

import nibabel
import numpy as np
import pytest
from scipy import ndimage
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import Bunch

from n2d import comparison
from n2d.comparison import Case, compare, folder_cases, read_results, summarize
from n2d.comparison.measurement import measure_isolated
from n2d.comparison.results import COLUMNS
from n2d.comparison.runner import describe
from n2d.metrics import psnr, ssim

# -- denoisers of scikit-learn's shape, at the top so that new processes find them ----


class Blur(TransformerMixin, BaseEstimator):
    def __init__(self, sigma=1.0, channel_axis=None):
        self.sigma = sigma
        self.channel_axis = channel_axis

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        axes = [a for a in range(X.ndim) if a != (self.channel_axis or X.ndim)]
        return ndimage.gaussian_filter(np.asarray(X, float), self.sigma, axes=axes)

    def transform_stages(self, X):
        estimates = [self.transform(X) / n for n in (4, 2, 1)]
        return Bunch(stage1=estimates[0], stage2=estimates[1], stage3=estimates[2])


class Raising(Blur):
    def fit(self, X, y=None):
        raise ValueError("too many\nphotons, and a comma")


class Flattening(Blur):
    def transform(self, X):
        return X.ravel()


class Killed(Blur):
    def fit(self, X, y=None):
        os.kill(os.getpid(), signal.SIGKILL)


class Hungry(Blur):
    def fit(self, X, y=None):
        np.ones(64 * 2**20 // 8)
        return self


class Interrupted(Blur):
    """Stops the comparison as Ctrl-C does, at its second image."""

    def transform(self, X):
        if X[0, 0] == 0:
            raise KeyboardInterrupt
        return super().transform(X)


def cases(n=2, shape=(24, 32), first=1.0):
    for i in range(n):
        rng = np.random.default_rng(i)
        clean = ndimage.gaussian_filter(rng.uniform(0, 255, shape), 3)
        noisy = clean + rng.normal(0, 20, shape)
        noisy[0, 0] = first
        yield Case(f"image {i}", noisy, clean, 255, group=f"set/{'ab'[i % 2]}")


def run(methods, output, n=2, **options):
    return compare(methods, cases(n), output, **({"isolate": False} | options))


# -- what is measured ------------------------------------------------------------------


def test_rows_hold_the_metrics_of_what_the_denoisers_return(tmp_path):
    rows = run({"noisy": None, "blur": Blur(2.0)}, tmp_path / "new" / "folder")
    assert [(r["case"], r["method"]) for r in rows] == [
        (f"image {i}", m) for i in range(2) for m in ("noisy", "blur")
    ]
    for case, noisy, blur in zip(cases(), rows[::2], rows[1::2], strict=True):
        estimate = ndimage.gaussian_filter(case.noisy, 2.0)
        assert blur["psnr"] == psnr(case.clean, estimate, 255)
        assert blur["ssim"] == ssim(case.clean, estimate, 255)
        assert noisy["psnr"] == blur["psnr_noisy"] == psnr(case.clean, case.noisy, 255)
        assert blur["seconds"] > 0
        assert blur["psnr_stage1"] is None
        assert noisy["seconds"] is None
        assert blur["peak_mib"] is None  # this process's memory is not the run's
        assert blur["parameters"] == "Blur(sigma=2.0)"


def test_what_is_written_is_what_is_returned(tmp_path):
    rows = run({"noisy": None, "blur": Blur()}, tmp_path, stages=True)
    read = read_results(tmp_path / "results.csv")
    assert [list(row) for row in read] == [list(COLUMNS)] * 4
    for got, expected in zip(read, rows, strict=True):
        for key in COLUMNS:
            if isinstance(expected[key], float):
                assert got[key] == pytest.approx(expected[key], rel=1e-5)
            else:
                assert got[key] == expected[key]
    assert (tmp_path / "summary.md").read_text() == summarize(rows) + "\n"


def test_stages_are_judged_where_a_denoiser_has_them(tmp_path):
    rows = run({"noisy": None, "blur": Blur()}, tmp_path, stages=True)
    case = next(cases())
    estimate = ndimage.gaussian_filter(case.noisy, 1.0)
    for stage, divisor in ((1, 4), (2, 2), (3, 1)):
        expected = psnr(case.clean, estimate / divisor, 255)
        assert rows[1][f"psnr_stage{stage}"] == expected
    assert rows[0]["psnr_stage1"] is None


def test_a_denoiser_is_told_the_channel_axis_also_inside_a_pipeline(tmp_path):
    clean = np.stack([np.full((16, 16), v) for v in (0.0, 100.0, 200.0)], axis=-1)
    case = Case("colour", clean, clean, 255, channel_axis=2)
    blur = Blur(3.0)
    methods = {
        "blur": blur,
        "pipeline": make_pipeline(FunctionTransformer(), Blur(3.0)),
    }
    for row in compare(methods, [case], tmp_path, isolate=False):
        assert row["psnr"] > 200  # blurred across channels it would be about 14 dB
    assert blur.channel_axis is None  # the caller's own stays as it is


def test_without_a_clean_image_only_the_cost_is_measured(tmp_path):
    (row,) = compare(
        {"blur": Blur()}, [Case("a", np.ones((8, 8)))], tmp_path, isolate=False
    )
    assert row["psnr"] is row["ssim"] is None
    assert row["seconds"] > 0
    assert not row["error"]


@pytest.mark.slow
def test_isolated_runs_measure_their_own_memory_only(tmp_path):
    ballast = np.ones(512 * 2**20 // 8)  # must not count as the denoiser's
    methods = {"blur": Blur(), "hungry": Hungry()}
    blur, hungry = compare(methods, cases(1), tmp_path, stages=True)
    assert ballast[-1] == 1
    assert blur["base_mib"] <= blur["peak_mib"] < 512
    assert 60 < hungry["peak_mib"] - hungry["base_mib"] < 80
    (in_process,) = run({"blur": Blur()}, tmp_path / "own", n=1, stages=True)
    for key in ("psnr", "ssim", "psnr_stage1", "psnr_stage2", "psnr_stage3"):
        assert blur[key] == in_process[key]


# -- failures --------------------------------------------------------------------------


def test_a_failing_run_is_noted_and_the_others_go_on(tmp_path):
    methods = {"raising": Raising(), "flattening": Flattening(), "blur": Blur()}
    rows = run(methods, tmp_path)
    assert [bool(row["error"]) for row in rows] == [True, True, False] * 2
    assert "ValueError: too many photons, and a comma" in rows[0]["error"]
    assert "made shape (768,) out of (24, 32)" in rows[1]["error"]
    assert read_results(tmp_path / "results.csv")[0]["error"] == rows[0]["error"]
    summary = (tmp_path / "summary.md").read_text()
    assert "- image 0, raising: ValueError: too many photons" in summary
    assert "| all | raising | 0 of 2 |" in summary


@pytest.mark.slow
def test_a_process_that_dies_or_raises_is_noted(tmp_path):
    methods = {
        "killed": Killed(),
        "raising": Raising(),
        "lock": FunctionTransformer(kw_args={"x": threading.Lock()}),
    }
    killed, raising, unsendable = compare(methods, cases(1), tmp_path)
    assert killed["error"] == "the process died with exit code -9"
    assert raising["error"] == "ValueError: too many photons, and a comma"
    assert "pickle" in unsendable["error"].lower()


@pytest.mark.slow
def test_scripts_and_notebooks_bring_their_own_denoisers_and_prints(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import numpy as np\n"
        "from n2d.comparison import Case, compare\n"
        "from sklearn.preprocessing import FunctionTransformer\n"
        "class Half:\n"
        "    def fit_transform(self, X):\n"
        "        print('printed')\n"
        "        return X / 2\n"
        "case = Case('x', np.ones((4, 4)), np.zeros((4, 4)), data_range=1)\n"
        "methods = {'a': Half(), 'b': FunctionTransformer(lambda x: x / 4)}\n"
        "for row in compare(methods, [case], 'out'):\n"  # no __main__ guard
        "    print(row['method'], round(row['psnr']), row['error'])\n"
    )
    path = os.pathsep.join(filter(None, sys.path))
    ended = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.split() == ["a", "6", "b", "12"]
    assert "printed" in ended.stderr


def test_failed_runs_are_tried_again(tmp_path, monkeypatch):
    run({"method": Raising()}, tmp_path)
    monkeypatch.setattr(Raising, "fit", Blur.fit)
    rows = run({"method": Raising()}, tmp_path)
    assert not any(row["error"] for row in rows)
    assert "Failed" not in (tmp_path / "summary.md").read_text()
    assert len(read_results(tmp_path / "results.csv")) == 4


def test_a_method_that_is_no_denoiser_is_refused_at_once(tmp_path):
    with pytest.raises(TypeError, match="method 'x' must have a fit_transform"):
        run({"x": np.mean}, tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


def test_two_cases_of_one_name_are_refused(tmp_path):
    with pytest.raises(ValueError, match="two cases are called 'image 0'"):
        compare({"noisy": None}, [*cases(1), *cases(1)], tmp_path)


# -- resuming --------------------------------------------------------------------------


def runs_of(methods, output, case_list, **options):
    """Names of the cases that really ran, not taken from the table."""
    ran = []
    options = {"isolate": False, "callback": lambda r: ran.append(r["case"])} | options
    compare(methods, case_list, output, **options)
    return ran


def test_an_interrupted_comparison_goes_on_where_it_stopped(tmp_path):
    methods = {"method": Interrupted()}
    first, second = cases(2)
    second.noisy[0, 0] = 0
    with pytest.raises(KeyboardInterrupt):
        compare(methods, [first, second], tmp_path, isolate=False)
    assert len(read_results(tmp_path / "results.csv")) == 1
    second.noisy[0, 0] = 1
    assert runs_of(methods, tmp_path, [first, second]) == ["image 1"]
    assert runs_of(methods, tmp_path, [first, second]) == []
    assert runs_of(methods, tmp_path, [first, second], fresh=True) == [
        "image 0",
        "image 1",
    ]


@pytest.mark.parametrize("cut", [1, 20, 200])
def test_a_torn_last_line_is_done_again(tmp_path, cut):
    rows = run({"blur": Blur()}, tmp_path)
    path = tmp_path / "results.csv"
    complete = path.read_text()
    last_line = complete.splitlines(keepends=True)[-1]
    path.write_text(complete[: -min(cut, len(last_line) - 1)])
    assert runs_of({"blur": Blur()}, tmp_path, cases()) == ["image 1"]
    repaired = read_results(path)
    assert len(repaired) == 2
    assert repaired[1]["psnr"] == pytest.approx(rows[1]["psnr"], rel=1e-5)


def test_only_what_is_the_same_counts_as_done(tmp_path):
    run({"blur": Blur()}, tmp_path)
    assert runs_of({"blur": Blur()}, tmp_path, cases()) == []
    assert runs_of({"blur": Blur(1.5)}, tmp_path, cases()) == ["image 0", "image 1"]
    assert runs_of({"other": Blur()}, tmp_path, cases()) == ["image 0", "image 1"]
    first, second = cases()
    second.noisy[3, 3] += 1e-6
    assert runs_of({"blur": Blur()}, tmp_path, [first, second]) == ["image 1"]
    first, second = cases()
    second.clean[3, 3] += 1e-6
    assert runs_of({"blur": Blur()}, tmp_path, [first, second]) == ["image 1"]
    assert runs_of({"blur": Blur()}, tmp_path, cases(), stages=True) == [
        "image 0",
        "image 1",
    ]
    assert runs_of({"blur": Blur()}, tmp_path, cases(), stages=True) == []


def test_another_version_of_the_package_is_measured_again(tmp_path, monkeypatch):
    run({"blur": Blur()}, tmp_path)
    monkeypatch.setattr(comparison.runner, "__version__", "99.0")
    assert runs_of({"blur": Blur()}, tmp_path, cases()) == ["image 0", "image 1"]


def test_a_foreign_table_is_left_alone(tmp_path):
    (tmp_path / "results.csv").write_text("name,score\na,1\n")
    with pytest.raises(ValueError, match="has other columns"):
        run({"blur": Blur()}, tmp_path)
    assert (tmp_path / "results.csv").read_text() == "name,score\na,1\n"


# -- parameters as text ----------------------------------------------------------------


def test_parameters_are_described_by_what_differs_from_the_defaults():
    assert describe(None) == "None"
    assert describe(Blur()) == "Blur()"
    assert describe(Blur(sigma=2)) == "Blur(sigma=2)"
    pipeline = make_pipeline(FunctionTransformer(np.sqrt), Blur(channel_axis=0))
    assert describe(pipeline) == (
        "Pipeline(steps=[('functiontransformer', FunctionTransformer(func=sqrt)), "
        "('blur', Blur(channel_axis=0))])"
    )


# -- the summary -----------------------------------------------------------------------


def row(case, method, group="", **values):
    return dict.fromkeys(COLUMNS) | {
        "case": case,
        "method": method,
        "group": group,
        "error": "",
        "psnr_noisy": 20.0,
        **values,
    }


def test_summary_averages_groups_outer_groups_and_all():
    rows = [
        row("1", "m", "x/a", psnr=30.0, ssim=0.5, seconds=1.0),
        row("2", "m", "x/b", psnr=31.0, ssim=0.7, seconds=2.0),
        row("3", "m", "y/c", psnr=35.0, ssim=0.9, seconds=6.0),
        row("3", "n", "y/c", psnr=25.0, ssim=0.3),
    ]
    table = list(csv.reader(summarize(rows).splitlines(), delimiter="|"))
    lines = [[cell.strip() for cell in line[1:8]] for line in table[2:]]
    assert lines == [
        ["x/a", "m", "1", "30.00", "+10.00", "0.5000", "1.0"],
        ["x/b", "m", "1", "31.00", "+11.00", "0.7000", "2.0"],
        ["y/c", "m", "1", "35.00", "+15.00", "0.9000", "6.0"],
        ["y/c", "n", "1", "25.00", "+5.00", "0.3000", ""],
        ["x", "m", "2", "30.50", "+10.50", "0.6000", "1.5"],
        ["all", "m", "3", "32.00", "+12.00", "0.7000", "3.0"],
        ["all", "n", "1", "25.00", "+5.00", "0.3000", ""],
    ]


def test_summary_takes_the_last_word_and_survives_perfection():
    text = summarize(
        [row("1", "m", psnr=30.0), row("1", "m", psnr=math.inf), row("2", "m")]
    )
    assert "30.00" not in text
    assert "| all | m | 2 | inf |" in text


# -- folders ---------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    from PIL import Image
    from tifffile import imwrite

    for kind in ("noisy", "clean"):
        (tmp_path / kind).mkdir()
        imwrite(tmp_path / kind / "b.tif", np.full((9, 8), -5, dtype=np.int16))
        Image.fromarray(np.full((6, 7), 200, np.uint8)).save(tmp_path / kind / "a.png")
    np.save(tmp_path / "noisy" / "c.npy", np.zeros((4, 4)))
    imwrite(tmp_path / "clean" / "c.tif", np.ones((4, 4), dtype=np.float32))
    return tmp_path


def test_folder_pairs_files_by_name(folder):
    a, b, c = folder_cases(folder, data_range=255, group=str.upper)
    assert (a.name, a.group, a.noisy.dtype, a.noisy.shape) == (
        "a",
        "A",
        np.uint8,
        (6, 7),
    )
    assert b.clean.dtype == np.int16
    assert b.noisy[0, 0] == -5
    assert c.clean[0, 0] == 1
    assert c.noisy[0, 0] == 0


def test_a_folder_s_colour_images_say_so_themselves(tmp_path):
    from PIL import Image

    for kind in ("noisy", "clean"):
        (tmp_path / kind).mkdir()
        Image.fromarray(np.zeros((6, 7, 3), np.uint8)).save(tmp_path / kind / "a.png")
    (case,) = folder_cases(tmp_path, data_range=255)
    assert case.channel_axis == 2
    (case,) = folder_cases(tmp_path, data_range=255, channel_axis=-1)
    assert case.channel_axis == -1


def test_two_files_that_are_one_image_are_one_case(tmp_path):
    for kind in ("noisy", "clean"):
        (tmp_path / kind).mkdir()
        pair = nibabel.Nifti1Pair(np.ones((5, 6, 2), np.int16), np.eye(4))
        nibabel.save(pair, tmp_path / kind / "a.img")
    (case,) = folder_cases(tmp_path, data_range=255)
    assert case.name == "a"
    assert case.noisy.shape == (2, 6, 5)
    (tmp_path / "noisy" / "a.nii").write_bytes(b"")
    with pytest.raises(ValueError, match="two images of one name"):
        list(folder_cases(tmp_path, data_range=255))


def test_folder_names_what_is_missing(folder):
    (folder / "clean" / "a.png").unlink()
    with pytest.raises(FileNotFoundError, match="has no image for: a"):
        list(folder_cases(folder, data_range=255))
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        list(folder_cases(folder / "clean", data_range=255))


def test_a_bad_file_is_noted_and_the_others_go_on(folder, tmp_path):
    (folder / "noisy" / "b.tif").write_bytes(b"not an image")
    images = folder_cases(folder, data_range=255)
    rows = compare({"noisy": None}, images, tmp_path / "out", isolate=False)
    assert [bool(r["error"]) for r in rows] == [False, True, False]
    assert rows[1]["error"].startswith("ImageFileError: b.tif: cannot be read")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"clean": np.zeros((4, 4))}, "no data_range"),
        ({"clean": np.zeros((4, 5)), "data_range": 1}, r"clean has shape \(4, 5\)"),
    ],
)
def test_a_case_that_can_not_be_judged_is_refused(arguments, message):
    with pytest.raises(ValueError, match=f"case 'x'.*{message}"):
        Case("x", np.zeros((4, 4)), **arguments)


# -- with the real one -----------------------------------------------------------------


@pytest.mark.slow
def test_stages_of_the_package_s_own_denoiser():
    from n2d import Noise2DetailDenoiser

    case = next(cases(1))
    denoiser = Noise2DetailDenoiser(max_iter=2, detail_max_iter=2, random_state=0)
    result = measure_isolated(denoiser, case.noisy, stages=True)
    np.testing.assert_array_equal(result.stages["stage3"], result.estimate)
    assert result.stages["stage1"].shape == case.noisy.shape
    assert result.base_mib <= result.peak_mib
