"""The pages that `n2d denoise --report` and `n2d compare` write."""

import base64
import io
import re
import shlex
import shutil
import subprocess
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from PIL import Image
from typer.testing import CliRunner

from n2d import Noise2DetailDenoiser
from n2d.cli import app
from n2d.cli.compare_report import _known_of
from n2d.cli.report import page, section
from n2d.io import write_image


def noisy(shape=(48, 64), seed=0):
    rng = np.random.default_rng(seed)
    scene = np.linspace(500, 900, shape[-1]) * np.ones(shape)
    return (scene + rng.normal(0, 9, shape)).astype(np.uint16)


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


class Page(HTMLParser):
    """What a browser sees of a page: its elements and texts."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def images(self, alt):
        return [
            np.asarray(Image.open(io.BytesIO(base64.b64decode(source[22:]))))
            for tag, attrs in self.elements
            if tag == "img" and attrs["alt"] == alt
            for source in [attrs["src"]]
        ]


def test_a_page_has_all_in_itself(tmp_path):
    source, target = tmp_path / "<b>cells & co.tif", tmp_path / "out.tif"
    tifffile.imwrite(source, noisy())
    report = tmp_path / "r.html"
    arguments = ["denoise", source, "-o", target, "--noise", "9", "--report", report]
    arguments += ["--uncertainty", tmp_path / "error.tif"]
    assert run(*arguments).exit_code == 0
    text = report.read_text(encoding="utf-8")
    found = Page(text)
    assert "<b>" not in text
    assert "<b>cells & co.tif" in found.text
    for _, attrs in found.elements:
        for name in ("src", "href"):
            assert attrs.get(name, "data:").startswith("data:")
    assert not re.search(r"https?://|url\(|@import", text)
    (before,), (after,), (removed,), (error,) = map(
        found.images, ("before", "after", "removed", "expected error")
    )
    assert before.shape == after.shape == removed.shape == error.shape == (48, 64)
    assert np.diff(after.astype(float)).std() < np.diff(before.astype(float)).std()
    assert abs(removed.astype(float).mean() - 127.5) < 10
    assert "noise measured" in found.text
    command = shlex.split(re.findall(r"n2d denoise .*", found.text)[-1])
    for path in (target, report, tmp_path / "error.tif"):
        path.unlink()
    assert run(*command[1:]).exit_code == 0
    assert report.exists()


def test_the_page_says_what_a_series_was_taken_for(tmp_path):
    write_image(tmp_path / "a.tif", noisy((3, 32, 32)), axes="TYX")
    for asked, said in ((), "time: "), (("--stack", "independent"), "independent: "):
        arguments = ["denoise", tmp_path / "a.tif", "-o", tmp_path / "b.tif", *asked]
        arguments += ["--noise", "9", "--overwrite", "--report", tmp_path / "r.html"]
        assert run(*arguments).exit_code == 0
        assert said in Page((tmp_path / "r.html").read_text(encoding="utf-8")).text


def test_files_that_fail_are_on_the_page_too(tmp_path):
    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in" / "a.tif", noisy())
    (tmp_path / "in" / "b.tif").write_bytes(b"no image")
    report = tmp_path / "r.html"
    arguments = ["denoise", tmp_path / "in", "-o", tmp_path / "out", "--noise", "9"]
    assert run(*arguments, "--report", report).exit_code == 1
    found = Page(report.read_text(encoding="utf-8"))
    assert len(found.images("after")) == 1
    assert "failed: " in found.text
    again = run(*arguments, "--report", report)
    assert again.exit_code == 1
    assert "r.html: exists already" in again.stderr


def test_compared_methods_are_on_one_page(tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in" / "a.tif", noisy((2, 64, 64)))
    (tmp_path / "in" / "b.tif").write_bytes(b"no image")
    arguments = ["compare", tmp_path / "in", "-o", tmp_path / "out", "--no-figure"]
    n_fits, fit = [], Noise2DetailDenoiser.fit
    monkeypatch.setattr(
        Noise2DetailDenoiser, "fit", lambda *a, **k: n_fits.append(1) or fit(*a, **k)
    )
    methods = ["--methods", "n2d:noise=9.0,gaussian:blur=1", "--plane", "1"]
    assert run(*arguments, *methods).exit_code == 1
    found = Page((tmp_path / "out" / "report.html").read_text(encoding="utf-8"))
    assert [attrs for tag, attrs in found.elements if tag == "option"] == [
        {"value": name} for name in ("n2d:noise=9.0", "gaussian:blur=1")
    ]
    assert len(n_fits) == 1
    (error,) = found.images("expected error")  # of the one that knows it
    assert error.shape == (64, 64)
    assert len(found.images("removed")) == 2
    for text in ("gaussian:blur=1", "n2d:noise=9.0", "outcome", "n2d compare"):
        assert text in found.text
    again = run(*arguments, *methods)
    assert again.exit_code == 1
    assert "exists already" in again.stderr


@pytest.mark.parametrize("shape", [(4, 40, 48), (4, 40, 48, 3)])
def test_errors_of_a_plane_are_those_of_the_result_with_neighbours(tmp_path, shape):
    stack = noisy(shape[:3]).astype(np.float32)
    if len(shape) == 4:
        stack = np.stack([noisy(shape[:3], i) for i in range(3)], axis=-1)
    axis = 3 if len(shape) == 4 else None
    denoiser = Noise2DetailDenoiser(stack="time", random_state=0)
    case = SimpleNamespace(name="a", noisy=stack, channel_axis=axis)
    denoiser.set_params(channel_axis=axis).fit(stack)
    std, _, _ = _known_of(denoiser, case, 2)
    expected = denoiser.transform(stack, return_std=True)[1][2]
    np.testing.assert_allclose(std, expected, rtol=1e-4)


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium")
def test_a_browser_shows_the_page_without_complaint(tmp_path):
    rng = np.random.default_rng(0)
    images = {name: rng.normal(0, 1, (40, 50)) for name in ("n2d", 'tv:"<b>')}
    sections = [section("x", images["n2d"] + 1, images, [("trust", "good")])]
    path = tmp_path / "p.html"
    script = """<script>
    const choice = document.querySelector("select"), old =
      document.querySelector(".after").src;
    choice.selectedIndex = 1; choice.dispatchEvent(new Event("change"));
    const [slide, zoom] = document.querySelectorAll("input");
    slide.value = 20; slide.dispatchEvent(new Event("input"));
    zoom.value = 300; zoom.dispatchEvent(new Event("input"));
    document.documentElement.style.width = "390px";  // a telephone
    document.title = [old !== document.querySelector(".after").src,
      document.querySelector(".after").style.clipPath,
      document.querySelector(".pair").style.width,
      document.querySelectorAll("figure:not([hidden])").length,
      [...document.images].filter(i => i.getClientRects().length).length,
      [...document.querySelectorAll("body *")].every(one => one.closest(".frame > *")
        || one.getBoundingClientRect().right <= 390)].join("|");
    </script></body>"""
    text = page("t", sections, "n2d").replace("</body>", script)
    path.write_text(text, encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    done = subprocess.run(
        ["chromium", *options, "--window-size=500,800", path.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    title = re.search("<title>(.*?)</title>", done.stdout)[1]
    assert title == "true|inset(0px 0px 0px 20%)|300%|1|3|true"
