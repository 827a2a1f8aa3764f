"""Classical denoisers as estimators, with the contract of `Noise2DetailDenoiser`.

The names are loaded on first use.
"""

from importlib import import_module

# public name -> module that defines it
_PUBLIC = {
    "BM3DDenoiser": "n2d.baselines.block_matching",
    "BM4DDenoiser": "n2d.baselines.volumetric",
    "BilateralDenoiser": "n2d.baselines.bilateral",
    "GaussianDenoiser": "n2d.baselines.gaussian",
    "IdentityDenoiser": "n2d.baselines.identity",
    "MedianDenoiser": "n2d.baselines.median",
    "NonLocalMeansDenoiser": "n2d.baselines.non_local_means",
    "TVDenoiser": "n2d.baselines.total_variation",
    "TemporalMeanDenoiser": "n2d.baselines.temporal",
    "TemporalMedianDenoiser": "n2d.baselines.temporal",
    "VarianceStabilizedDenoiser": "n2d.baselines.variance_stabilized",
    "WaveletDenoiser": "n2d.baselines.wavelet",
    "ZSN2NDenoiser": "n2d.baselines.zero_shot",
    "denoiser_registry": "n2d.baselines.registry",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name):
    if name in _PUBLIC:
        value = getattr(import_module(_PUBLIC[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return __all__
