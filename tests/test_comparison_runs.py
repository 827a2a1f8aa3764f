"""What a run leaves besides quality and cost: its score, and the denoised image."""

import csv

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin

from n2d.comparison import Case, compare, read_results
from n2d.comparison.results import COLUMNS


class Scored(TransformerMixin, BaseEstimator):
    """Halves, and counts how often: at the top, so that new processes find it."""

    n_fits = 0

    def __init__(self, channel_axis=None):
        self.channel_axis = channel_axis

    def fit(self, X, y=None):
        type(self).n_fits += 1
        self.mean_ = X.mean()
        return self

    def transform(self, X):
        return X / 2

    def score(self, X, y=None):
        return -self.mean_


class Unscorable(Scored):
    def score(self, X, y=None):
        raise TypeError("score needs y")


class Failing(Scored):
    def fit(self, X, y=None):
        raise ImportError("install it")


def cases(n=1):
    for i in range(n):
        yield Case(f"image {i}", np.full((8, 8), 2.0 + i), np.ones((8, 8)), 10)


def run(methods, output, n=1, **options):
    return compare(methods, cases(n), output, **({"isolate": False} | options))


@pytest.mark.parametrize("isolate", [False, True])
def test_the_score_is_the_fitted_denoiser_s(tmp_path, isolate):
    methods = {"noisy": None, "scored": Scored()}
    rows = run(methods, tmp_path, score=True, isolate=isolate)
    assert [row["score"] for row in rows] == [None, -2.0]
    assert read_results(tmp_path / "results.csv")[1]["score"] == -2.0
    assert "| -2.0000 |" in (tmp_path / "summary.md").read_text()
    assert not any(row["error"] for row in rows)


def test_without_being_asked_for_there_is_no_score(tmp_path):
    (row,) = run({"scored": Scored()}, tmp_path)
    assert row["score"] is None
    assert "score" not in (tmp_path / "summary.md").read_text().replace("scored", "")
    (row,) = run({"scored": Scored()}, tmp_path, score=True)
    assert row["score"] == -2.0  # asked for later, it is run again
    ran = []
    run({"scored": Scored()}, tmp_path, score=True, callback=ran.append)
    assert ran == []


def test_a_score_that_fails_does_not_take_the_measurements_along(tmp_path):
    (row,) = run({"unscorable": Unscorable()}, tmp_path, score=True)
    assert row["psnr"] is not None
    assert row["score"] is None
    assert row["error"] == "no score: TypeError: score needs y"


def test_denoised_images_are_handed_over_case_by_case_from_the_same_run(tmp_path):
    seen = []
    methods = {"noisy": None, "scored": Scored(), "failing": Failing()}
    before = Scored.n_fits
    run(methods, tmp_path, n=2, on_case=lambda *arguments: seen.append(arguments))
    assert Scored.n_fits == before + 2
    for i, (case, rows, estimates) in enumerate(seen):
        assert case.name == f"image {i}"
        assert [row["method"] for row in rows] == list(methods)
        assert list(estimates) == ["noisy", "scored"]
        np.testing.assert_array_equal(estimates["noisy"], case.noisy)
        np.testing.assert_array_equal(estimates["scored"], case.noisy / 2)
    assert len(seen) == 2


def test_cases_that_are_known_are_not_run_for_their_images(tmp_path):
    seen = []
    options = {"on_case": lambda case, *_: seen.append(case.name)}
    run({"a": Scored()}, tmp_path, n=1, **options)
    run({"a": Scored()}, tmp_path, n=2, **options)
    assert seen == ["image 0", "image 1"]
    # Of a case with a new method all images are wanted.
    ran = []
    methods = {"a": Scored(), "b": Scored()}
    run(methods, tmp_path, callback=lambda row: ran.append(row["method"]), **options)
    assert ran == ["a", "b"]
    assert seen == ["image 0", "image 1", "image 0"]


def old_table(path):
    """Write a table as versions before the score did."""
    columns = [c for c in COLUMNS if c != "score"]
    row = dict.fromkeys(columns, "") | {"case": "old", "method": "m"}
    row |= {"psnr_noisy": "20", "psnr": "30.5"}
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerow(row)


def test_a_table_of_an_earlier_version_is_read_and_added_to(tmp_path):
    path = tmp_path / "results.csv"
    old_table(path)
    (row,) = read_results(path)
    assert list(row) == list(COLUMNS)
    assert (row["psnr"], row["score"]) == (30.5, None)
    run({"scored": Scored()}, tmp_path, score=True)
    old, new = read_results(path)
    assert (old["case"], old["psnr"], old["score"]) == ("old", 30.5, None)
    assert (new["case"], new["score"]) == ("image 0", -2.0)
    assert path.read_text().splitlines()[0] == ",".join(COLUMNS)


def test_an_earlier_table_with_a_torn_last_line_is_mended(tmp_path):
    path = tmp_path / "results.csv"
    old_table(path)
    with open(path, "a") as file:
        file.write("torn,li")
    run({"scored": Scored()}, tmp_path, score=True)
    assert [row["case"] for row in read_results(path)] == ["old", "image 0"]
