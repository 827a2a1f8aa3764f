"""Noise2Detail: one noisy image in, a clean one out, no training data needed.

The names below are loaded on first use, so that ``import n2d`` costs next to
nothing and pulls in neither PyTorch nor scikit-learn.
"""

from importlib import import_module

__version__ = "0.1.0.dev0"

# public name -> module that defines it
_PUBLIC = {
    "Noise2DetailDenoiser": "n2d.denoiser",
    "denoise_noise2detail": "n2d.functional",
    "denoise_file": "n2d.files",
    "NoiseWarning": "n2d.noise",
    "BM3DDenoiser": "n2d.baselines",
    "BM4DDenoiser": "n2d.baselines",
    "BilateralDenoiser": "n2d.baselines",
    "GaussianDenoiser": "n2d.baselines",
    "IdentityDenoiser": "n2d.baselines",
    "MedianDenoiser": "n2d.baselines",
    "NonLocalMeansDenoiser": "n2d.baselines",
    "TVDenoiser": "n2d.baselines",
    "TemporalMeanDenoiser": "n2d.baselines",
    "TemporalMedianDenoiser": "n2d.baselines",
    "VarianceStabilizedDenoiser": "n2d.baselines",
    "WaveletDenoiser": "n2d.baselines",
    "ZSN2NDenoiser": "n2d.baselines",
    "denoiser_registry": "n2d.baselines",
}
_SUBMODULES = {
    "baselines",
    "comparison",
    "core",
    "datasets",
    "diagnostics",
    "io",
    "metrics",
    "model_file",
    "model_selection",
    "noise",
}

__all__ = ["__version__", *sorted(_PUBLIC), *sorted(_SUBMODULES)]


def __getattr__(name):
    if name in _PUBLIC:
        value = getattr(import_module(_PUBLIC[name]), name)
        globals()[name] = value
        return value
    if name in _SUBMODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return __all__
