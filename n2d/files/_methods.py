"""Denoisers other than n2d's own, applied to files in the same way."""

import numpy as np

# Names in `n2d.denoiser_registry` of what `Noise2DetailDenoiser` itself does.
OWN_METHODS = ("n2d", "n2d-random", "n2d-paper")


def settled_method(text, **settings):
    """Read which denoiser is to be applied, and with what parameters.

    The text is one method as for `n2d.comparison.parse_methods`; `settings` are for all
    denoisers that have them. Of the parameters those are returned that differ from what
    the registry makes.

    >>> settled_method("gaussian:blur=2", random_state=0)
    ('gaussian', {'blur': 2})
    """
    from n2d import denoiser_registry
    from n2d.comparison import parse_methods

    registry = denoiser_registry()
    methods = parse_methods([text], registry, **settings)
    if len(methods) > 1:
        raise ValueError(f"{text!r} names {len(methods)} methods; name one")
    name = text.partition(":")[0].strip()
    chosen = next(iter(methods.values()))
    if not hasattr(chosen, "get_params"):
        return name, {}
    # Whatever the name, it is made of the estimator's own defaults.
    plain = "n2d" if name in OWN_METHODS else name
    defaults = registry[plain]().get_params()
    return name, {
        key: value
        for key, value in chosen.get_params().items()
        if not hasattr(value, "get_params") and value != defaults.get(key)
    }


class WholePlanes:
    """A denoiser that takes planes as a whole, behind what a file is denoised with.

    These do not check their result (`trust_`), and do not say where they stand.
    """

    trust_ = None

    def __init__(self, name, parameters, channel_axis):
        from n2d import denoiser_registry

        self._denoiser = denoiser_registry()[name]()
        if hasattr(self._denoiser, "get_params"):
            axes = {
                key: channel_axis
                for key in self._denoiser.get_params()
                if key.rpartition("__")[2] == "channel_axis"
            }
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
