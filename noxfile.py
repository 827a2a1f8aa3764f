"""Sessions: tests, viewer, lint, docs, bench, fuzz, package and more (``nox -s``).

``nox`` alone runs the lint and the tests.
"""

import shutil
from pathlib import Path

import nox

nox.options.sessions = ["lint", "tests"]
nox.options.default_venv_backend = "venv"


@nox.session
def tests(session):
    """Run the suite with the newest versions it is known to be green with."""
    session.install("-c", "constraints.txt", "-e", ".[test,vendors]")
    session.run("pytest", *session.posargs)


@nox.session
def viewer(session):
    """Drive the plugin in a real napari; without a screen under ``xvfb-run``."""
    session.install("-c", "constraints.txt", "-e", ".[test,napari,napari-test]")
    options = "-o filterwarnings=default --disable-warnings tests/test_napari.py"
    session.run("pytest", *options.split(), *session.posargs)


@nox.session(name="tests-min")
def tests_min(session):
    """Run the suite with the oldest versions that are supported."""
    session.install("-c", "constraints-min.txt", "-e", ".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session):
    """Run every pre-commit hook over every file."""
    session.install("-c", "constraints.txt", "-e", ".[lint]")
    session.run("pre-commit", "run", "--all-files", "--show-diff-on-failure")


@nox.session
def docs(session):
    """Build the documentation into doc/_build/html, and test what was built.

    A warning is an error. Nothing is downloaded while it is built. Examples that
    have not changed are not run again; delete doc/gallery to run all.
    """
    session.install("-c", "constraints.txt", "-e", ".[docs,test]")
    build = "sphinx-build -W --keep-going -b html doc doc/_build/html"
    session.run(*build.split(), env={"MPLBACKEND": "Agg"})
    session.run("pytest", "-q", *map(str, sorted(Path("tests").glob("test_docs*.py"))))


@nox.session
def fuzz(session):
    """Read damaged files for a while: ``nox -s fuzz -- --minutes 60 --seed 1``."""
    session.install("-c", "constraints.txt", "-e", ".[test]")
    session.run("python", "tests/fuzz/run.py", *session.posargs)


@nox.session
def bench(session):
    """Run a script of benchmarks/, for example ``nox -s bench -- step_time.py``."""
    session.install("-c", "constraints.txt", "-e", ".[bench]")
    if not session.posargs:
        session.error("name a script of benchmarks/: nox -s bench -- step_time.py")
    session.run("python", f"benchmarks/{session.posargs[0]}", *session.posargs[1:])


@nox.session
def package(session):
    """Build wheel and sdist, check both, and try the wheel without the repository.

    With a version behind ``--``, that has to be the package's own.
    """
    session.install("build", "twine")
    shutil.rmtree("dist", ignore_errors=True)
    session.run("python", "-m", "build")
    session.run("twine", "check", "--strict", *map(str, Path("dist").iterdir()))
    (wheel,) = Path("dist").resolve().glob("*.whl")
    if session.posargs and session.posargs[0] != wheel.name.split("-")[1]:
        session.error(f"{wheel.name} is not version {session.posargs[0]}")
    session.install("-c", "constraints.txt", str(wheel))
    session.chdir(session.create_tmp())
    session.run("n2d", "demo", "-o", "demo", "--overwrite")
    session.run("n2d", "denoise", "demo/noisy.tif", "-o", "out.tif", "--overwrite")
