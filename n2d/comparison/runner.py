"""Every method on every case, written down run by run."""

import copy
import functools
import inspect
from pathlib import Path

import numpy as np

from n2d import __version__
from n2d.comparison.measurement import (
    Measurement,
    MeasurementFailed,
    measure,
    measure_isolated,
)
from n2d.comparison.methods import in_all_parts
from n2d.comparison.results import ResultsFile
from n2d.comparison.summary import summarize
from n2d.io import atomic_write
from n2d.metrics import psnr, ssim

_KEY = ("case", "method", "parameters", "version", "input")


def compare(
    methods,
    cases,
    output,
    *,
    stages=False,
    score=False,
    isolate=True,
    fresh=False,
    callback=None,
    on_case=None,
    on_fitted=None,
):
    """Run denoisers over images and tabulate quality, time and memory.

    Each result is added to ``output/results.csv`` as soon as it is known, and
    ``output/summary.md`` is written at the end. A comparison that was interrupted goes
    on where it stopped: runs are skipped if the table has them for the same case,
    method, parameters, version of this package and input. Runs that failed are noted
    with their error, don't stop the others, and are tried again next time.

    Parameters
    ----------
    methods : dict of str to denoiser
        Anything with a ``fit_transform`` like that of `n2d.Noise2DetailDenoiser`,
        by the name for the table; None stands for the noisy image as it is. Cloned
        for every run. A ``channel_axis`` among its parameters, or among those of its
        parts, is set to that of the case.
    cases : iterable of Case
        What to denoise; read one at a time.
    output : path-like
        Folder for the tables, made where missing.
    stages : bool, default=False
        Whether to judge the estimate after every stage as well, for denoisers with a
        ``transform_stages`` like that of `n2d.Noise2DetailDenoiser`.
    score : bool, default=False
        Whether to ask denoisers that have a ``score`` like that of
        `n2d.Noise2DetailDenoiser`, which needs no clean image, what they say of the
        noisy image; after the clock has stopped. Where asking fails, the row has both
        the measurements and the error.
    isolate : bool, default=True
        Whether each run has a process of its own, without which memory is not
        measured. Denoisers are pickled for it.
    fresh : bool, default=False
        Whether to run again what the table has already; the newer result counts.
    callback : callable, optional
        Called with the row of each run, a dict, as soon as it is known; not for
        skipped ones.
    on_case : callable, optional
        Called with each case, its rows and a dict of the denoised images by method, as
        soon as all methods are through with it. Denoised images are kept nowhere else,
        so that all runs of a case are then done again if one is missing in the table;
        for a case without any, it is not called.
    on_fitted : callable, optional
        Called with each case, the name of a method and its denoiser, fitted to the
        case, after every run of this process (not where runs are isolated).

    Returns
    -------
    list of dict
        A row for every case and method, as `n2d.comparison.read_results` gives them.

    Raises
    ------
    TypeError
        If a method is no denoiser.
    ValueError
        If two cases have one name, or `output` holds a foreign ``results.csv``.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> from n2d.comparison import Case, compare
    >>> noisy = np.random.default_rng(0).normal(0, 10, (32, 32))
    >>> case = Case("nothing", noisy, np.zeros((32, 32)), data_range=100)
    >>> methods = {"noisy": None, "half": FunctionTransformer(lambda x: x / 2)}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     rows = compare(methods, [case], folder, isolate=False)
    >>> [(row["method"], round(row["psnr"])) for row in rows]
    [('noisy', 20), ('half', 26)]
    """
    for name, denoiser in methods.items():
        if denoiser is not None and not callable(
            getattr(denoiser, "fit_transform", None)
        ):
            raise TypeError(
                f"method {name!r} must have a fit_transform or be None, got "
                f"{denoiser!r}"
            )
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    results = ResultsFile(output / "results.csv")
    known = {} if fresh else {_key(row): row for row in results.rows}
    rows, names = [], set()
    options = {"isolate": isolate, "stages": stages, "score": score}
    for case in cases:
        if case.name in names:
            raise ValueError(f"two cases are called {case.name!r}")
        names.add(case.name)
        planned = _planned_rows(methods, case)
        done = {
            name: known[_key(row)]
            for name, row in planned.items()
            if _key(row) in known
            and _is_complete(known[_key(row)], case, methods[name], options)
        }
        if on_case is not None and len(done) < len(methods):
            done = {}
        estimates, first = {}, None
        for name, denoiser in methods.items():
            if name not in done:
                tell = None
                if on_fitted is not None and not isolate:
                    tell = functools.partial(on_fitted, case, name)
                outcome, estimate, judgement = _run(denoiser, case, tell, **options)
                if judgement is not None:
                    first = judgement if first is None else first
                    outcome["score_error"] = judgement.standard_error(first)
                results.append(planned[name] | outcome)
                done[name] = results.rows[-1]
                if estimate is not None and on_case is not None:
                    estimates[name] = estimate
                if callback is not None:
                    callback(done[name])
            rows.append(done[name])
        if estimates:
            on_case(case, [done[name] for name in methods], estimates)
    # Other methods and cases of the same table, and the latest word on these.
    with atomic_write(output / "summary.md", overwrite=True) as path:
        path.write_text(
            summarize(results.rows + rows) + "\n",
            encoding="utf-8",
            errors="backslashreplace",
        )
    return rows


def describe(denoiser):
    """Write a denoiser down with the parameters that differ from its defaults.

    Unlike a ``repr`` it is never shortened and names no addresses in memory, so that
    two runs of a program agree on it.

    Parameters
    ----------
    denoiser : object
        An estimator, possibly made of others; None for the noisy image as it is.

    Returns
    -------
    str
        Such as ``"Noise2DetailDenoiser(random_state=0, solver='paper')"``.
    """
    if isinstance(denoiser, (list, tuple)):
        inner = ", ".join(map(describe, denoiser))
        return f"[{inner}]" if isinstance(denoiser, list) else f"({inner})"
    if callable(denoiser) and hasattr(denoiser, "__name__"):
        return denoiser.__name__
    if not hasattr(denoiser, "get_params") or isinstance(denoiser, type):
        return repr(denoiser)
    signature = inspect.signature(type(denoiser)).parameters
    parameters = {
        name: describe(value)
        for name, value in sorted(denoiser.get_params(deep=False).items())
        if name not in signature or describe(value) != describe(signature[name].default)
    }
    inner = ", ".join(f"{name}={value}" for name, value in parameters.items())
    return f"{type(denoiser).__name__}({inner})"


def _planned_rows(methods, case):
    """What is known of each run beforehand: the columns that tell runs apart."""
    fingerprint = case.fingerprint()
    return {
        name: {
            "group": case.group,
            "case": case.name,
            "method": name,
            "parameters": describe(denoiser),
            "version": __version__,
            "input": fingerprint,
        }
        for name, denoiser in methods.items()
    }


def _key(row):
    return tuple(row[k] for k in _KEY)


def _is_complete(row, case, denoiser, options):
    """Whether a row of the table has all that is asked for now."""
    wanted = []
    if options["stages"] and case.clean is not None:
        wanted += ["psnr_stage1"] * hasattr(denoiser, "transform_stages")
    if options["score"]:
        wanted += ["score"] * hasattr(denoiser, "score")
    return not row["error"] and all(row[key] is not None for key in wanted)


def _run(denoiser, case, tell, *, isolate, stages, score):
    """Measure one method on one case, and hand the fitted denoiser to `tell`.

    Returns the numbers of its row, or its error, and where there are such the denoised
    image and the judgement.
    """
    if case.error:
        return {"error": case.error}, None, None
    try:
        if denoiser is None:
            measurement = Measurement(case.noisy, None, None)
            return _quality(case, measurement), case.noisy, None
        denoiser = _prepared(denoiser, case)
        measurement = (measure_isolated if isolate else measure)(
            denoiser,
            case.noisy,
            stages=stages and hasattr(denoiser, "transform_stages"),
            score=score and hasattr(denoiser, "score"),
        )
        if tell is not None:
            tell(denoiser)
        outcome = _quality(case, measurement) | {
            "score": measurement.score,
            "seconds": measurement.seconds,
            "cpu_seconds": measurement.cpu_seconds,
            "peak_mib": measurement.peak_mib,
            "base_mib": measurement.base_mib,
        }
        if measurement.score_error:
            outcome["error"] = f"no score: {measurement.score_error}"
        return outcome, measurement.estimate, measurement.judgement
    except MeasurementFailed as error:
        return {"error": str(error)}, None, None
    except Exception as error:  # whatever a denoiser may raise: the others go on
        return {"error": f"{type(error).__name__}: {error}"}, None, None


def _prepared(denoiser, case):
    """Copy a denoiser and tell it the axis of the channels."""
    if not hasattr(denoiser, "get_params"):
        return copy.deepcopy(denoiser)
    from sklearn.base import clone

    denoiser = clone(denoiser)
    axes = in_all_parts(denoiser, {"channel_axis": case.channel_axis})
    return denoiser.set_params(**axes) if axes else denoiser


def _quality(case, measurement):
    shape = np.shape(case.noisy)
    if np.shape(measurement.estimate) != shape:
        raise ValueError(
            f"the denoiser made shape {np.shape(measurement.estimate)} out of {shape}"
        )
    if case.clean is None:
        return {}
    return {
        "data_range": case.data_range,
        "psnr_noisy": psnr(case.clean, case.noisy, case.data_range),
        "psnr": psnr(case.clean, measurement.estimate, case.data_range),
        "ssim": ssim(
            case.clean, measurement.estimate, case.data_range, case.channel_axis
        ),
    } | {
        f"psnr_{stage}": psnr(case.clean, estimate, case.data_range)
        for stage, estimate in measurement.stages.items()
    }
