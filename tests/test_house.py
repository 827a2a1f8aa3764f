"""The rules of the house: lightness, one-way imports, and files that agree."""

import ast
import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest

import n2d

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "n2d"
HEAVY = ("torch", "sklearn", "skimage", "matplotlib", "scipy", "numpy", "dask", "zarr")

# What each part of n2d may import of n2d, and of others (None: anything
# that others have made).
# A longer name wins: "core.prior" before "core".
MAY_IMPORT = {
    "core": ({"core"}, {"torch"}),
    # weights that ship with the package are safetensors files
    "core.prior": ({"core"}, {"torch", "safetensors"}),
    "core.team": ({"core"}, {"torch", "threadpoolctl"}),
    "noise": ({"_masked", "_numpy_errors", "noise"}, {"numpy", "scipy"}),
    # weights that ship with the package are safetensors files
    "noise.reader": ({"noise"}, {"numpy", "safetensors"}),
    "_masked": (set(), {"numpy"}),
    "_memory": (set(), {"psutil"}),
    "_printable": (set(), set()),
    # files of settings: of the command line, and of the plugin
    "_config": ({"_parameters", "baselines", "io", "noise"}, {"numpy"}),
    # before anything else is imported
    "_signals": (set(), set()),
    "_progress": (set(), {"rich"}),
    "_surroundings": ({"_numpy_errors"}, {"torch"}),
    "_numpy_errors": (set(), {"numpy"}),
    "_parameters": (set(), {"pydantic"}),
    "images": ({"_masked", "images"}, {"numpy"}),
    "images.filling": (set(), {"numpy", "scipy"}),
    "fitting": ({"core", "fitting", "noise"}, {"numpy", "torch"}),
    # what is read and what it looks like to a network: arrays, no tensors
    "fitting.windows": (set(), {"numpy"}),
    "fitting.intensities": ({"noise"}, {"numpy"}),
    "applying": (
        {"_masked", "_memory", "_surroundings", "applying", "core", "images"}
        | {"noise"},
        {"dask", "distributed", "numpy", "torch"},
    ),
    "metrics": ({"_masked", "noise"}, {"numpy", "scipy", "skimage"}),
    "diagnostics": ({"_masked", "noise"}, {"numpy"}),
    "datasets": ({"_masked", "datasets", "noise"}, {"numpy", "scipy"}),
    "io": (
        {"_masked", "_memory", "_signals", "io"},
        {"numpy", "PIL", "psutil", "tifffile", "imagecodecs"}
        | {"zarr", "mrcfile", "nibabel", "pydicom"},
    ),
    "pretraining": (
        {"core", "datasets", "noise", "pretraining"},
        {"numpy", "torch", "safetensors", "scipy"},
    ),
    "pretraining.__main__": ({"core", "pretraining"}, {"torch", "typer"}),
    "_sklearn": ({"_parameters"}, {"sklearn"}),
    "_trust": ({"noise"}, {"sklearn"}),
    "_suits": ({"noise"}, {"numpy"}),
    "_base": ({"_sklearn", "_surroundings", "images", "model_selection"}, {"sklearn"}),
    # safetensors by its NumPy side; a file is written by `io`, whole or not at all
    "model_file": (
        {"_parameters", "_surroundings", "core", "fitting", "io"}
        | {"model_file", "noise"},
        {"numpy", "pydantic", "safetensors", "sklearn", "torch"},
    ),
    "_planes": ({"applying", "fitting", "noise"}, set()),
    "_plans": ({"_memory", "_parameters", "core", "fitting", "noise"}, set()),
    "denoiser": (
        {"_base", "_parameters", "_planes", "_plans", "_progress", "_sklearn"}
        | {"_suits", "_surroundings", "_trust", "applying", "core", "fitting", "images"}
        | {"model_file", "noise"},
        None,
    ),
    "functional": ({"denoiser"}, {"numpy"}),
    "baselines": (
        {"_base", "_sklearn", "_surroundings", "baselines", "core", "denoiser"}
        | {"fitting", "images", "noise"},
        None,
    ),
    "model_selection": (
        {"core", "fitting", "images", "metrics", "model_selection", "noise"},
        None,
    ),
    "comparison": (
        {"_masked", "_sklearn", "baselines", "comparison", "core", "datasets"}
        | {
            "denoiser",
            "functional",
            "images",
            "io",
            "metrics",
            "model_selection",
            "noise",
        },
        None,
    ),
    "files": (
        {"_config", "_memory", "_plans", "_printable", "_suits", "_surroundings"}
        | {"_trust"}
        | {"applying", "comparison", "core", "denoiser", "files", "fitting", "images"}
        | {"io", "noise"},
        {"numpy", "torch"},
    ),
    "napari": (
        {"_config", "_memory", "_printable", "_trust", "comparison", "core"}
        | {"datasets", "files", "images", "io", "napari", "noise"},
        {"napari", "numpy"},
    ),
    "napari.window": ({"core", "napari"}, {"napari", "numpy", "qtpy", "superqt"}),
    # "__init__" names modules in strings and loads them lazily
    "__init__": (set(), set()),
    "__main__": ({"_signals", "cli"}, set()),
    # heavy things are imported in functions, so that help answers at once
    "cli": (
        {
            "_config",
            "_parameters",
            "_printable",
            "_progress",
            "_signals",
            "applying",
            "baselines",
            "cli",
            "comparison",
            "core",
            "datasets",
            "denoiser",
        }
        | {"files", "io", "metrics", "model_file", "model_selection", "noise"},
        {"click", "matplotlib", "numpy", "PIL", "rich", "sklearn", "torch", "typer"},
    ),
}


def modules():
    """All modules of the package as {dotted name below n2d: path}."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
        if len(parts) > 1 and parts[-1] == "__init__":
            parts.pop()
        found[".".join(parts)] = path
    return found


def imports(path):
    """Every absolute import of a file, inside functions too, as dotted names."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                yield f"{node.module}.{alias.name}"


def own_imports(path):
    """The modules of n2d that a file imports, as names below n2d."""
    known = modules()
    for name in imports(path):
        top, _, rest = name.partition(".")
        if top != "n2d":
            continue
        while rest and rest not in known:
            rest = rest.rpartition(".")[0]
        yield rest or "__init__"


def rule(module):
    """The entry of MAY_IMPORT for a module, by the longest name that fits."""
    name = module
    while name and name not in MAY_IMPORT:
        name = name.rpartition(".")[0]
    assert name, f"n2d/{module}: say in tests/test_house.py what it may import"
    return MAY_IMPORT[name]


@pytest.mark.parametrize("module", modules())
def test_imports_point_one_way(module):
    own, others = rule(module)
    path = modules()[module]
    for name in own_imports(path):
        # The version is no layer.
        if name == "__init__":
            continue
        assert name.partition(".")[0] in own, f"n2d.{module} imports n2d.{name}"
    for name in imports(path):
        top = name.partition(".")[0]
        if others is None or top == "n2d" or top in sys.stdlib_module_names:
            continue
        assert top in others, f"n2d.{module} imports {name}"


def test_imports_go_in_no_circle():
    graph = {name: set(own_imports(path)) for name, path in modules().items()}
    graph["__init__"] = set()
    done = set()

    def visit(name, trail):
        assert name not in trail, " -> ".join([*trail, name])
        if name in done:
            return
        # A package's __init__ may import its own modules; they do not import it back.
        for imported in sorted(graph[name] - {name}):
            visit(imported, [*trail, name])
        done.add(name)

    for name in graph:
        visit(name, [])


@pytest.mark.parametrize("module", modules())
def test_modules_are_small_and_named_for_their_job(module):
    path = modules()[module]
    assert len(path.read_text(encoding="utf-8").splitlines()) < 500
    assert path.stem not in {"utils", "util", "helpers", "misc", "common"}


def test_private_pieces_of_scikit_learn_come_through_one_module():
    for module, path in modules().items():
        private = [
            name
            for name in imports(path)
            if name.startswith("sklearn.")
            and any(part.startswith("_") for part in name.split("."))
        ]
        assert module == "_sklearn" or not private, f"n2d.{module}: {private}"


def loaded_after(code):
    """Top-level packages in sys.modules after running code in a new interpreter."""
    code += "\nimport sys; print('LOADED', *{m.partition('.')[0] for m in sys.modules})"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(run.stdout.rpartition("LOADED")[2].split())


def test_import_loads_nothing_heavy():
    assert loaded_after("import n2d; dir(n2d)").isdisjoint(HEAVY)


def test_help_loads_nothing_heavy():
    code = "import sys; sys.argv = ['n2d', '--help']\n"
    code += "from n2d.cli import main\ntry: main()\nexcept SystemExit: pass"
    loaded = loaded_after(code)
    assert "typer" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_public_names_exist():
    for name in n2d.__all__:
        assert getattr(n2d, name) is not None, name
    with pytest.raises(AttributeError, match="no_such_name"):
        n2d.no_such_name  # noqa: B018


def pins(name):
    """A constraints file as {distribution: version}."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    lines = [line for line in lines if line.strip() and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines), lines
    found = dict(line.split("==") for line in lines)
    return {key.lower().replace("_", "-"): value for key, value in found.items()}


def setup_cfg():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return config


def requirements():
    """{distribution: lower bound} of the required and the test dependencies."""
    config = setup_cfg()
    text = config["options"]["install_requires"]
    text += config["options.extras_require"]["test"]
    return dict(line.split(">=") for line in text.split())


def test_requirements_are_lower_bounds_and_the_oldest_are_pinned():
    oldest = pins("constraints-min.txt")
    for name, bound in requirements().items():
        assert re.fullmatch(r"[\d.]+", bound), f"{name}: lower bounds only"
        if name != "torch":  # setup.cfg says why
            pinned = oldest[name]
            padded = f"{bound}.0" if bound.count(".") == 1 else bound
            assert pinned in {bound, padded}, f"{name}: {bound} and {pinned}"


def test_everything_required_is_pinned():
    newest = pins("constraints.txt")
    config = setup_cfg()
    extras = " ".join(config["options.extras_require"].values())
    needed = config["options"]["install_requires"].split() + extras.split()
    assert {line.split(">=")[0] for line in needed} <= newest.keys()
    assert newest["torch"] == pins("constraints-min.txt")["torch"]


def test_versions_agree():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (\S+)$", citation, re.M)[1] == n2d.__version__


def test_readme_has_the_two_commands():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```bash\n(.*?)^```", readme, re.M | re.S)
    demo, test = (block.strip() for block in blocks[:2])
    for command, last in ((demo, "n2d demo"), (test, "pytest")):
        steps = [step.strip() for step in command.split("&&")]
        assert "\n" not in command
        assert steps[0] == "python3 -m venv .venv"
        assert "-c constraints.txt" in steps[2]
        assert steps[-1] == last
