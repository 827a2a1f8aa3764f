"""All denoisers by name. Nothing heavy is imported until one of them is made."""

from functools import partial
from importlib import import_module
from importlib.metadata import entry_points

# Where packages that bring a denoiser announce it, as `name = module:factory`.
_GROUP = "n2d.denoisers"


def denoiser_registry():
    """List all denoisers by the names that commands and comparisons know them by.

    Returns
    -------
    dict of str to callable
        Factories: calling one gives a new, unfitted estimator; parameters given to the
        call are the estimator's. The dict is a new one each time, and may be changed.

    See Also
    --------
    n2d.comparison.compare : Run denoisers over images.

    Notes
    -----
    ``vst-`` stands for variance stabilization around a method, ``paper`` for the
    published schedule. ``bm3d`` and ``wavelet`` need the extra ``baselines``, ``bm4d``
    the extra of its name.

    ``temporal-mean``, ``temporal-median`` and ``bm4d`` are for stacks, whose axis 0 is
    time or depth: the first two return a lone image as it is, the third denoises it as
    a volume of one plane.

    A denoiser of your own joins by being put into the dict: anything with the ``fit``
    and ``transform`` of scikit-learn. For the command `n2d` to find it, a package
    announces a factory as an entry point of the group ``n2d.denoisers``. It cannot take
    the name of a denoiser that is here already.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> import n2d
    >>> denoisers = n2d.denoiser_registry()
    >>> denoisers["half"] = lambda: FunctionTransformer(lambda x: x / 2)
    >>> noisy = np.random.default_rng(0).normal(0, 1, (32, 32))
    >>> bool(np.array_equal(denoisers["identity"]().fit_transform(noisy), noisy))
    True
    >>> bool(np.array_equal(denoisers["half"]().fit_transform(noisy), noisy / 2))
    True

    To search over denoisers themselves:

    >>> grid = {"denoise": [denoisers[name]() for name in ("tv", "median")]}
    """
    registry = {
        "n2d": _factory("n2d.denoiser", "Noise2DetailDenoiser"),
        "bm3d": _factory("n2d.baselines", "BM3DDenoiser"),
        "vst-bm3d": _stabilizing("BM3DDenoiser"),
        "nlm": _factory("n2d.baselines", "NonLocalMeansDenoiser"),
        "vst-nlm": _stabilizing("NonLocalMeansDenoiser"),
        "wavelet": _factory("n2d.baselines", "WaveletDenoiser"),
        "vst-wavelet": _stabilizing("WaveletDenoiser"),
        "tv": _factory("n2d.baselines", "TVDenoiser"),
        "vst-tv": _stabilizing("TVDenoiser"),
        "bilateral": _factory("n2d.baselines", "BilateralDenoiser"),
        "gaussian": _factory("n2d.baselines", "GaussianDenoiser"),
        "median": _factory("n2d.baselines", "MedianDenoiser"),
        "zs-n2n": _factory("n2d.baselines", "ZSN2NDenoiser"),
        "n2d-random": _factory("n2d.denoiser", "Noise2DetailDenoiser", init="random"),
        "n2d-paper": _factory("n2d.denoiser", "Noise2DetailDenoiser", solver="paper"),
        "zs-n2n-paper": _factory("n2d.baselines", "ZSN2NDenoiser", solver="paper"),
        "temporal-mean": _factory("n2d.baselines", "TemporalMeanDenoiser"),
        "temporal-median": _factory("n2d.baselines", "TemporalMedianDenoiser"),
        "bm4d": _factory("n2d.baselines", "BM4DDenoiser"),
        "identity": _factory("n2d.baselines", "IdentityDenoiser"),
    }
    for entry in entry_points(group=_GROUP):
        registry.setdefault(entry.name, partial(_make_announced, entry))
    return registry


def _factory(module, name, **parameters):
    return partial(_make, module, name, **parameters)


def _stabilizing(name):
    return partial(_make_stabilized, name)


def _make(module, name, **parameters):
    return getattr(import_module(module), name)(**parameters)


def _make_stabilized(name, **parameters):
    inner = _make("n2d.baselines", name)
    return _make(
        "n2d.baselines",
        "VarianceStabilizedDenoiser",
        **{"denoiser": inner, **parameters},
    )


def _make_announced(entry, **parameters):
    return entry.load()(**parameters)
