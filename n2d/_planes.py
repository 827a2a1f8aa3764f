"""What a denoiser knows of single images of a stack, and how it is applied to them."""

import copy
import math
from dataclasses import replace

from n2d.applying.tiled import STANDARD_ERROR, TileDenoiser, stages_of
from n2d.fitting.planes import noise_in_units, with_like_ones
from n2d.noise import NoiseModel


class PlaneByPlane:
    """Base of a denoiser that may know the noise of every single image.

    It has `_stages`, `_intensities` and `networks_`, and here `_planes`, of every image
    of X, where their noise differs.
    """

    _planes = None

    def for_planes(self, numbers):
        """Give the denoiser of some of the images that `fit` has seen.

        Parameters
        ----------
        numbers : sequence of int
            Their places in the X of `fit`.

        Returns
        -------
        Noise2DetailDenoiser
            One whose `transform` takes them, as many and in this order, and gives each
            its own noise; itself where the noise of all is the same. It shares the
            networks with this one.

        Examples
        --------
        >>> import numpy as np
        >>> from n2d import Noise2DetailDenoiser
        >>> rng = np.random.default_rng(0)
        >>> noise = rng.normal(0, [[[1]], [[1]], [[9]]], (3, 64, 64))
        >>> stack = np.linspace(0, 200, 64) + noise
        >>> denoiser = Noise2DetailDenoiser(random_state=0)
        >>> whole = denoiser.fit_transform(stack)
        >>> last = denoiser.for_planes([2]).transform(stack[2:])
        >>> bool((last == whole[2:]).all())
        True
        """
        if self._planes is None:
            return self
        some = self._another()
        some._planes = tuple(self._planes[i] for i in numbers)
        if isinstance(self.noise_, list):
            some.noise_ = [self.noise_[i] for i in numbers]
        return some

    def for_all_planes(self):
        """Give the denoiser that knows no single images, only what `fit` saw of all.

        Returns
        -------
        Noise2DetailDenoiser
            One that transforms every image with the noise of all, and that a model file
            can hold; itself where the noise of all is the same.

        Examples
        --------
        >>> import numpy as np
        >>> from n2d import Noise2DetailDenoiser
        >>> rng = np.random.default_rng(0)
        >>> noise = rng.normal(0, [[[1]], [[1]], [[9]]], (3, 64, 64))
        >>> stack = np.linspace(0, 200, 64) + noise
        >>> denoiser = Noise2DetailDenoiser(random_state=0).fit(stack)
        >>> isinstance(denoiser.noise_, list)
        True
        >>> isinstance(denoiser.for_all_planes().noise_, list)
        False
        """
        if self._planes is None:
            return self
        every = self._another()
        every._planes = None
        (low, _), span = self._intensities.data_range, self._intensities.span
        found = self._intensities.noise or ()
        channels = self._intensities.channels or range(len(found))
        models = [NoiseModel(0.0)] * self._n_channels
        for c, model in zip(channels, found, strict=True):
            models[c] = model.rescaled(span, low)
        models = tuple(models)
        every.noise_ = models[0] if self.channel_axis is None else models
        return every

    def transform_some(self, X, outputs, *, region=None, callback=None):
        """Denoise some images of a stack, and take all of them for their neighbours.

        Parameters
        ----------
        X : array-like, or list of array-likes
            As for `transform`: the whole stack.
        outputs : dict of int to array-like, or pair of such
            By the numbers of the images that are asked for, where to write each. They
            are written one after another, but those too large part by part. Of a pair
            the second takes the standard errors.
        region, callback
            As for `transform`.

        Examples
        --------
        >>> import numpy as np
        >>> from n2d import Noise2DetailDenoiser
        >>> scene = 100 + 50 * np.sin(np.indices((64, 64)) / 9).sum(0)
        >>> stack = np.random.default_rng(0).normal(scene, 10, (4, 64, 64))
        >>> denoiser = Noise2DetailDenoiser(stack="time", random_state=0).fit(stack)
        >>> last = np.empty((64, 64))
        >>> denoiser.transform_some(stack, {3: last})
        >>> bool(np.allclose(last, denoiser.transform(stack)[3]))
        True
        """
        images = self._images_to_transform(X)
        names = ["stage3"]
        if isinstance(outputs, tuple):
            self._tile_denoiser().check_knows_error()
            names.append(STANDARD_ERROR)
        self._results(images, names, region, outputs, callback)

    def at_strength(self, strength):
        """Give a denoiser of the same fit that smooths more, or less.

        For a slider: what `fit` has measured stays. `fit` with that `strength` gives
        the same result up to a constant, since it keeps the mean of the images, and
        judges it anew (`trust_`).

        Parameters
        ----------
        strength : float
            As the parameter; above 0.

        Returns
        -------
        Noise2DetailDenoiser
            It shares the networks with this one.

        Raises
        ------
        ValueError
            If `strength` is not above 0, or the weights were not trained beforehand.

        Examples
        --------
        >>> import numpy as np
        >>> from n2d import Noise2DetailDenoiser
        >>> scene = 100 + 50 * np.sin(np.indices((64, 64)) / 9).sum(0)
        >>> noisy = np.random.default_rng(0).normal(scene, 10)
        >>> denoiser = Noise2DetailDenoiser(random_state=0).fit(noisy)
        >>> weak = denoiser.at_strength(0.3).transform(noisy)
        >>> clean = denoiser.transform(noisy)
        >>> bool(np.std(noisy - weak) < np.std(noisy - clean))
        True
        """
        strength = float(strength)
        if not (strength > 0 and math.isfinite(strength)):
            raise ValueError(f"strength must be a number above 0, got {strength}")
        stages = [s for s in self._all_stages if not hasattr(s, "strength")]
        if stages:
            raise ValueError(
                "strength is for the network that was trained beforehand, not for one "
                "that was trained on the image"
            )

        def at(stages):
            return stages and replace(stages, strength=strength)

        another = self._another()
        another.strength = strength
        another._stages = at(self._stages)
        another._planes = self._planes and tuple(
            plane and plane._replace(stages=at(plane.stages)) for plane in self._planes
        )
        return another

    def _another(self):
        """A copy that shares all; by `copy` the networks would be copied, too."""
        another = object.__new__(type(self))
        vars(another).update(vars(self))
        return another

    @property
    def _all_stages(self):
        """All stages that there are."""
        return stages_of(self._stages, self._planes)

    def _noise_in_units(self, fitted):
        """The measured noise in the units of X: see `noise_`."""
        if fitted.noise is None:
            return None

        def each(models):
            return models[0] if self.channel_axis is None else models

        shared = noise_in_units(fitted)
        if fitted.planes is None:
            return each(shared)
        return [each(plane.noise if plane else shared) for plane in fitted.planes]

    def _tile_denoiser(self):
        planes, stack = self._planes, self.stack
        if not self._all_stages:  # there is no noise
            stack = "independent"
        if stack != "independent" and any(s.why_no_error for s in self._all_stages):
            raise ValueError(
                f"stack={stack!r} is for the network that was trained beforehand, "
                "without stage 3; set stack='independent'"
            )
        if planes is not None and stack != "independent":
            planes = with_like_ones(planes)
        return TileDenoiser(
            self._stages, self._intensities, planes, stack, self.precision
        )

    def __getstate__(self):
        state = dict(super().__getstate__())  # not the estimator's own
        if "_stages" in state:  # on the CPU, to load anywhere
            # Together, as they share the networks.
            names = ("networks_", "_stages", "_planes")
            state.setdefault("_planes", None)
            copies = copy.deepcopy([state[name] for name in names])
            for network in copies[0]:
                network.to("cpu")
            state |= zip(names, copies, strict=True)
            for stages in stages_of(state["_stages"], state["_planes"]):
                stages.to("cpu")
        return state
