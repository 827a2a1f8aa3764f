"""What is published: the same needs everywhere, from one place, and nothing unfree."""

import configparser
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Free for non-commercial use only.
UNFREE = {"bm3d", "bm4d"}
# Not for using n2d, or a window of its own.
NOT_IN_ALL = {"all", "bench", "docs", "lint", "napari", "napari-test", "test"} | UNFREE


@pytest.fixture
def config():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def names(text):
    """{distribution: lower bound} of a list of requirements."""
    lines = [line for line in text.split("\n") if line and line[0] != "#"]
    return dict(line.split(">=") for line in lines)


def test_the_extra_all_has_every_extra_that_is_free_for_any_use(config):
    extras = config["options.extras_require"]
    expected = {}
    for extra in extras.keys() - NOT_IN_ALL:
        expected |= names(extras[extra])
    assert names(extras["all"]) == expected
    assert not expected.keys() & UNFREE


def test_the_conda_recipe_needs_what_the_package_needs(config):
    text = (ROOT / "conda" / "meta.yaml").read_text(encoding="utf-8")
    run = text.partition("\n  run:\n")[2].partition("\n\n")[0]
    found = dict(re.findall(r"^    - (\S+) >=(\S+)$", run, re.M))
    expected = names(config["options"]["install_requires"])
    expected["pytorch"] = expected.pop("torch")
    expected["python"] = config["options"]["python_requires"].removeprefix(">=")
    assert found == expected
    (script,) = re.findall(r"entry_points:\n    - (.+)", text)
    assert script == config["options.entry_points"]["console_scripts"].strip()


def test_the_version_is_in_one_place(config):
    assert config["metadata"]["version"] == "attr: n2d.__version__"
    for name in ("conda/meta.yaml", "pyproject.toml", "Dockerfile", "doc/conf.py"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert not re.search(r"\bversion\W+\d+\.\d+", text), name


def test_a_source_distribution_has_what_the_tests_read():
    text = (ROOT / "MANIFEST.in").read_text(encoding="utf-8")
    listed = set(re.findall(r"^(?:include|graft) (.+)$", text, re.M))
    listed = {name for names in listed for name in names.split()}
    for name in (
        "tests",
        "doc",
        "examples",
        "benchmarks",
        "constraints.txt",
        "conftest.py",
    ):
        assert name in listed
    assert all((ROOT / name).exists() for name in listed)


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("xdist"), reason="needs pytest-xdist")
@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="counts cores so")
def test_the_whole_suite_runs_in_processes_and_what_is_named_in_one(tmp_path):
    (tmp_path / "tests").mkdir()
    shutil.copy(ROOT / "conftest.py", tmp_path)
    (tmp_path / "pyproject.toml").write_text(
        '[tool.pytest.ini_options]\ntestpaths = ["tests"]\n'
    )
    (tmp_path / "tests" / "test_it.py").write_text(
        "import os\n"
        "def test_it():\n"
        "    threads = os.environ.get('OMP_NUM_THREADS')\n"
        "    assert 'PYTEST_XDIST_WORKER' in os.environ and threads == '1'\n"
    )
    plain = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST", "OMP"))
    }

    def passes(*arguments):
        command = [sys.executable, "-m", "pytest", "-q", *arguments]
        run = subprocess.run(
            command, cwd=tmp_path, env=plain, timeout=120, capture_output=True
        )
        assert run.returncode in (0, 1), run.stderr
        return run.returncode == 0

    assert passes() == (len(os.sched_getaffinity(0)) > 1)
    assert not passes("-n", "0")
    assert not passes("tests/test_it.py")
