"""One denoiser on one image: its result, its time and its memory."""

import os
import pickle
import subprocess
import sys
import time
from dataclasses import dataclass, field

import numpy as np


class MeasurementFailed(Exception):
    """The denoiser raised an error or its process died; the message says which."""


@dataclass
class Measurement:
    """What came out of a run and what it took.

    Attributes
    ----------
    estimate : ndarray
        What ``fit_transform`` returned.
    seconds : float
        Time of ``fit_transform`` on the wall clock.
    cpu_seconds : float
        Processor time of ``fit_transform``, of all threads together.
    peak_mib : float or None
        Largest resident memory of the process until ``fit_transform`` was done, in MiB;
        None where the process is the caller's own or the system does not tell.
    base_mib : float or None
        The same just before ``fit_transform``: Python, the libraries and the image.
    stages : dict of str to ndarray
        The estimates after stages 1, 2 and 3, if asked for.
    score : float or None
        What ``score`` of the fitted denoiser says of the noisy image, if asked for.
    judgement : n2d.model_selection.Judgement or None
        The same, with its standard error, of the denoisers of this package.
    score_error : str
        Why there is no score, if asked for; "" where there is one.
    """

    estimate: np.ndarray
    seconds: float
    cpu_seconds: float
    peak_mib: float | None = None
    base_mib: float | None = None
    stages: dict = field(default_factory=dict)
    score: float | None = None
    judgement: object = None
    score_error: str = ""


def measure(denoiser, X, *, stages=False, score=False):
    """Denoise in this process, whose memory tells nothing about a single run.

    Parameters
    ----------
    denoiser : object with fit_transform
        Changed by being fitted.
    X : ndarray
        The noisy image or stack.
    stages : bool, default=False
        Whether to call ``transform_stages``, too, after the clock has stopped.
    score : bool, default=False
        Whether to call ``score``, too, after the clock has stopped.

    Returns
    -------
    Measurement
        Without memory.
    """
    measurement = _timed(denoiser, X)
    _add_extras(measurement, denoiser, X, stages=stages, score=score)
    return measurement


def measure_isolated(denoiser, X, *, stages=False, score=False):
    """Denoise in a fresh process, whose peak memory is that of this run alone.

    Imports are done before the clock starts. What the denoiser prints goes to stderr.

    Parameters
    ----------
    denoiser : object with fit_transform
        Pickled; it stays as it is.
    X : ndarray
        The noisy image or stack.
    stages : bool, default=False
        Whether to call ``transform_stages``, too, after the measurements.
    score : bool, default=False
        Whether to call ``score``, too, after the measurements.

    Returns
    -------
    Measurement
        With the memory of its process.

    Raises
    ------
    MeasurementFailed
        If the denoiser raises an error or its process dies, for example for want of
        memory.
    """
    job = pickle.dumps((_pickled(denoiser), X, stages, score))
    # Not multiprocessing: its new processes import the caller's main script again, so
    # that scripts without a __main__ guard, notebooks above all, could not compare.
    process = subprocess.run(
        # -P: files in the current folder must not take the place of libraries.
        [sys.executable, "-P", "-m", "n2d.comparison.worker"],
        input=job,
        stdout=subprocess.PIPE,
        # The new process must find what this one finds, this package included.
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)},
        check=False,
    )
    try:
        result = pickle.loads(process.stdout)
    except (EOFError, pickle.UnpicklingError):
        raise MeasurementFailed(
            f"the process died with exit code {process.returncode}"
        ) from None
    if isinstance(result, str):
        raise MeasurementFailed(result)
    return result


def measure_alone(pickled, X, stages, score):
    """Measure in a process that does nothing else.

    Parameters
    ----------
    pickled : bytes
        The denoiser.
    X : ndarray
        The noisy image or stack.
    stages : bool
        Whether to call ``transform_stages``, too.
    score : bool
        Whether to call ``score``, too.

    Returns
    -------
    Measurement or str
        With the process's memory; or an error's text.
    """
    try:
        # This is where the denoiser's libraries are imported.
        denoiser = pickle.loads(pickled)
        base_mib = _peak_mib()
        result = _timed(denoiser, X)
        result.peak_mib, result.base_mib = _peak_mib(), base_mib
        _add_extras(result, denoiser, X, stages=stages, score=score)
    except Exception as error:
        result = f"{type(error).__name__}: {error}"
    return result


def _pickled(denoiser):
    """Pickle, with the code of what can't be imported: scripts, notebooks, lambdas."""
    from joblib import wrap_non_picklable_objects

    return pickle.dumps(wrap_non_picklable_objects(denoiser, keep_wrapper=False))


def _timed(denoiser, X):
    start, cpu_start = time.perf_counter(), time.process_time()
    estimate = denoiser.fit_transform(X)
    seconds = time.perf_counter() - start
    return Measurement(np.asarray(estimate), seconds, time.process_time() - cpu_start)


def _add_extras(measurement, denoiser, X, *, stages, score):
    """Add what is not part of denoising, and must not count as its time or memory."""
    if stages:
        estimates = denoiser.transform_stages(X)
        measurement.stages = {
            stage: estimates[stage] for stage in ("stage1", "stage2", "stage3")
        }
    if score:
        try:
            if hasattr(denoiser, "_judge"):  # of this package
                measurement.judgement = denoiser._judge(X)
                measurement.score = measurement.judgement.score
            else:
                measurement.score = float(denoiser.score(X))
        except Exception as error:  # the image is denoised and measured all the same
            measurement.score_error = f"{type(error).__name__}: {error}"


def _peak_mib():
    """Largest resident memory of this process so far, in MiB, where it can be told."""
    try:
        # Linux hands ru_maxrss down from the process that started this one, however
        # large that was; the high-water mark is this process's own.
        with open("/proc/self/status") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 1024
    except OSError:
        pass
    try:
        import resource
    except ImportError:
        return None  # Windows
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
