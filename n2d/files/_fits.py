"""The denoiser for some planes of a file: fitted to them, loaded, or kept."""

from n2d.files._methods import WholePlanes

# A fit goes on to the next file where fine detail is, in units of the noise, as strong
# as in what it was fitted to, but for this factor either way.
_SAME_NOISE = 1.25


def fitted(job, sources, channel_axis, parameters, callback):
    """Return the denoiser for some planes: fitted to them, or loaded."""
    # The heaviest import, and not needed for files that cannot be read.
    from n2d import Noise2DetailDenoiser

    if job.model is not None:
        return job.loaded.set_params(channel_axis=channel_axis, verbose=0)
    if job.is_own:
        denoiser = Noise2DetailDenoiser(**parameters, channel_axis=channel_axis)
    else:
        denoiser = WholePlanes(job.method, parameters, channel_axis)
    return denoiser.fit(sources, callback=callback)


class KeptFits:
    """Fits that go on from file to file, and are renewed when the noise changes."""

    def __init__(self, say):
        self._say, self._kept = say, {}

    def fitted(self, number, job, sources, channel_axis, parameters, callback):
        """Return the denoiser of fit `number` of a file, and whether it was fitted now.

        It knows no single planes.
        """
        if job.model is not None:
            return fitted(job, sources, channel_axis, parameters, callback), True
        n_channels = 1 if channel_axis is None else sources[0].shape[channel_axis]
        key = number, channel_axis, n_channels
        kept = self._kept.get(key)
        if kept is not None:
            why = _why_not(kept, sources, channel_axis)
            if why is None:
                return kept, False
            self._say(f"the fit is renewed: {why}")
        denoiser = fitted(job, sources, channel_axis, parameters, callback)
        self._kept[key] = denoiser.for_all_planes()
        return self._kept[key], True


def _why_not(denoiser, sources, channel_axis):
    """Say why a fit does not go on with other planes, or return None."""
    from n2d._suits import looks_of, misfit, seen_by, windows_of
    from n2d.images import Images

    windows = windows_of(Images(sources, channel_axis))
    seen = denoiser.input_fingerprint_.get("detail")
    here = seen and looks_of(windows, denoiser.noise_)["detail"]
    if here is None or not seen[0] > 0:
        return "its noise cannot be compared with that of this image"
    factor = here[0] / seen[0]
    if not 1 / _SAME_NOISE <= factor <= _SAME_NOISE:
        return f"the noise is {factor:.2g} times what it was"
    if misfit(seen_by(denoiser), windows, single=True) is not None:
        return "intensities or noise are not those it was made for"
    return None


def levels_in_words(denoiser):
    """Write down the noise of a fit, channel by channel, in the units of the image."""
    models = denoiser.for_all_planes().noise_
    if models is None:
        return "not measured"
    models = models if isinstance(models, tuple) else (models,)
    return ", ".join(f"{model.level:.4g}" for model in models)
