"""Denoisers other than n2d's own, applied to files in the same way."""

import numpy as np

from n2d._config import N2D_METHODS


def make_one(text, **settings):
    """Make the one denoiser that a text names, as for `n2d.comparison.parse_methods`.

    `settings` are for denoisers that have them.
    """
    from n2d import denoiser_registry
    from n2d.comparison import parse_methods

    methods = parse_methods([text], denoiser_registry(), **settings)
    if len(methods) > 1:
        raise ValueError(f"{text!r} names {len(methods)} methods; name one")
    return next(iter(methods.values()))


def plain_denoiser(name):
    """Make what the parameters are given to: n2d's own method by whichever name."""
    from n2d import denoiser_registry

    return denoiser_registry()["n2d" if name in N2D_METHODS else name]()


def settled_method(text):
    """Read which denoiser is to be applied, and with what parameters.

    Those are returned that differ from what the registry makes.

    >>> settled_method("gaussian:blur=2")
    ('gaussian', {'blur': 2})
    """
    from n2d.comparison.methods import parameters_of

    name, chosen = text.partition(":")[0].strip(), make_one(text)
    defaults = parameters_of(plain_denoiser(name))
    return name, {
        key: value
        for key, value in parameters_of(chosen).items()
        if not hasattr(value, "get_params") and value != defaults.get(key)
    }


class WholePlanes:
    """A denoiser that takes planes as a whole, behind what a file is denoised with.

    These do not check their result (`trust_`), and do not say where they stand.
    """

    trust_ = None

    def __init__(self, name, parameters, channel_axis):
        from n2d import denoiser_registry
        from n2d.comparison.methods import in_all_parts

        self._denoiser = denoiser_registry()[name]()
        if hasattr(self._denoiser, "get_params"):
            axes = in_all_parts(self._denoiser, {"channel_axis": channel_axis})
            self._denoiser.set_params(**(axes | parameters))

    def fit(self, sources, callback=None):
        """Fit to the planes that share it."""
        self._denoiser.fit([np.asarray(source[...]) for source in sources])
        return self

    def for_planes(self, numbers):
        """Give the denoiser of some planes: the same for all."""
        return self

    def transform(self, sources, *, region, out, callback=None):
        """Denoise planes, and write them."""
        for source, target in zip(sources, out, strict=True):
            (estimate,) = self._denoiser.transform([np.asarray(source[...])])
            target[...] = estimate
