"""The documentation's sources: complete, seeded, offline; the notebook runs."""

import ast
import inspect
import re
import sys
from pathlib import Path

import pytest

import n2d

ROOT = Path(__file__).resolve().parents[1]
DOC = ROOT / "doc"
EXAMPLES = sorted((ROOT / "examples").glob("plot_*.py"))


def public_names():
    """Every public function and class, by the name that users import it with."""
    for name in n2d.__all__:
        value = getattr(n2d, name)
        if not inspect.ismodule(value):
            if callable(value):
                yield name
            continue
        inside = getattr(value, "__all__", None)
        if inside is None:
            inside = [
                key
                for key, thing in vars(value).items()
                if key[0] != "_" and getattr(thing, "__module__", "") == value.__name__
            ]
        for key in inside:
            # n2d has the baselines themselves, and constants say what they are.
            if not hasattr(n2d, key) and callable(getattr(value, key)):
                yield f"{name}.{key}"


def documented_names():
    text = (DOC / "api.rst").read_text(encoding="utf-8")
    tables = re.findall(r"\.\. autosummary::\n((?:    .*\n|\n)+)", text)
    return {
        line.strip()
        for table in tables
        for line in table.splitlines()
        if line.strip() and not line.strip().startswith(":")
    }


def test_the_api_page_has_every_public_name():
    assert set(public_names()) - documented_names() == set()


def test_the_api_page_has_no_name_that_is_gone():
    for name in documented_names():
        module, _, attribute = f"n2d.{name}".rpartition(".")
        __import__(module)
        assert hasattr(sys.modules[module], attribute), name


def test_every_page_is_in_a_table_of_contents():
    pages = {
        path.relative_to(DOC).with_suffix("").as_posix()
        for path in DOC.rglob("*.rst")
        if path.relative_to(DOC).parts[0] not in {"gallery", "generated"}
        and path.relative_to(DOC).parts[0][0] != "_"
    }
    pages -= {"index", "sg_execution_times"}
    linked = set()
    for path in DOC.rglob("*.rst"):
        text = path.read_text(encoding="utf-8")
        for block in re.findall(r"\.\. toctree::\n((?:    .*\n|\n)+)", text):
            for line in block.split():
                base = DOC if line[0] == "/" else path.parent
                target = (base / line.lstrip("/")).resolve()
                if target.is_relative_to(DOC):
                    linked.add(target.relative_to(DOC).as_posix())
    assert pages <= linked


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_seeded_and_need_no_network(path):
    text = path.read_text(encoding="utf-8")
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    for call in calls:
        name = ast.unparse(call.func)
        assert not re.search(r"fetch|download|urlopen|urlretrieve|imread", name), name
        if name.endswith("default_rng"):
            assert call.args, f"line {call.lineno}: no seed"
        if name.endswith("Noise2DetailDenoiser"):
            given = {keyword.arg for keyword in call.keywords}
            assert "random_state" in given, f"line {call.lineno}: no random_state"
        assert not re.search(r"np\.random\.(?!default_rng|Generator)", name), name
    # Images that ship with scikit-image; others would be downloaded.
    used = set(re.findall(r"\bdata\.(\w+)\(", text))
    assert used <= {"camera", "cell", "immunohistochemistry", "grass", "gravel"}


def test_the_gallery_has_its_examples():
    numbers = [int(path.stem.split("_")[1]) for path in EXAMPLES]
    assert numbers == list(range(1, len(EXAMPLES) + 1))
    assert len(EXAMPLES) >= 12
    listed = re.findall(r"examples/(plot_\w+\.py)", (DOC / "examples.rst").read_text())
    assert sorted(listed) == [path.name for path in sorted(EXAMPLES)]


def test_tables_are_those_of_the_results(monkeypatch):
    pytest.importorskip("docutils", reason="docutils, of the extra docs, is absent")
    monkeypatch.syspath_prepend(str(DOC / "_ext"))
    import benchmark_tables
    from docutils.core import publish_string
    from docutils.parsers.rst import directives

    directives.register_directive("benchmark", benchmark_tables.BenchmarkTable)
    text = ".. benchmark:: fast/ct\n    :methods: fast as n2d\n    :groups: all\n"
    shown = publish_string(text, writer="pseudoxml").decode()
    summary = (benchmark_tables.RESULTS / "fast/ct/summary.md").read_text("utf-8")
    line = re.search(r"\| all \| fast \|(.+)\|", summary)[1]
    numbers = [cell.strip() for cell in line.split("|")]
    assert numbers[1] in shown  # PSNR
    assert "benchmarks/quality.py --set ct" in shown


@pytest.mark.slow
def test_the_notebook_for_first_use_runs(tmp_path):
    pytest.importorskip("sphinx_gallery", reason="the extra docs is absent")
    client = pytest.importorskip("nbclient", reason="the extra docs is absent")
    nbformat = pytest.importorskip("nbformat", reason="the extra docs is absent")
    pytest.importorskip("ipykernel", reason="the extra docs is absent")
    from sphinx_gallery.notebook import jupyter_notebook, save_notebook
    from sphinx_gallery.py_source_parser import split_code_and_text_blocks

    path = tmp_path / "first_use.ipynb"
    _, blocks = split_code_and_text_blocks(str(EXAMPLES[0]))
    conf = {
        "first_notebook_cell": "%matplotlib inline",
        "last_notebook_cell": None,
        "notebook_images": False,
        "notebook_extensions": set(),
        "pypandoc": False,
        "promote_jupyter_magic": False,
        "plot_gallery": True,
    }
    save_notebook(jupyter_notebook(blocks, conf, str(tmp_path)), str(path))
    notebook = nbformat.read(path, as_version=4)
    client.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    outputs = [
        output
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    ]
    assert not [out for out in outputs if out.output_type == "error"]
    assert any("image/png" in out.get("data", {}) for out in outputs)
    assert "score" in "".join(out.get("text", "") for out in outputs)
