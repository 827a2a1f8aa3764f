"""What can be known to be wrong before any file is opened."""

from n2d.files._words import count, in_one_line


class OptionError(ValueError):
    """An option that no file can be denoised with; `option` is to blame."""

    def __init__(self, message, option):
        super().__init__(message)
        self.option = option


def check_job(job):
    """Raise now what would be raised for every file."""
    from n2d import Noise2DetailDenoiser
    from n2d._plans import plan_of
    from n2d.core.device import usable_device

    option = "model"
    try:
        if job.model is not None:
            _ = job.loaded
        option = "device"
        if "device" in job.parameters:
            usable_device(job.parameters["device"])
        option = None
        if job.is_own:
            plan_of(Noise2DetailDenoiser(**job.parameters))
        option = "uncertainty"
        check_knows_error(job)
    except (OSError, ValueError) as error:
        text = in_one_line(error)
        # Messages begin with the parameter that is to blame.
        raise OptionError(text, option or text.split()[0].partition("=")[0]) from error


def knows_error(denoiser):
    """Tell whether a denoiser can say how far off its result is."""
    from n2d import Noise2DetailDenoiser
    from n2d._plans import plan_of
    from n2d.fitting.prior_start import PriorPlan

    if not isinstance(denoiser, Noise2DetailDenoiser):
        return False
    plan = plan_of(denoiser)
    return isinstance(plan, PriorPlan) and not plan.detail_steps


def check_knows_error(job):
    """Raise where standard errors are asked of a method that does not know them."""
    if job.uncertainty is None or job.model is not None:
        return  # a model says so itself
    from n2d import Noise2DetailDenoiser

    if not job.is_own or not knows_error(Noise2DetailDenoiser(**job.parameters)):
        raise ValueError(
            "standard errors are known to the network that ships with n2d alone, "
            "without stage 3: leave the method, solver, init and detail_max_iter as "
            "they are, or go without"
        )


def _check_channels(job, denoiser, sources, channel_axis):
    """Raise where a model is of another number of channels than a file."""
    here = 1 if channel_axis is None else sources[0].shape[channel_axis]
    if here != denoiser._n_channels:
        n_here, n_model = (count(n, "channel") for n in (here, denoiser._n_channels))
        raise ValueError(
            f"the model {job.model} does not suit this image: it is of {n_model} at a "
            f"time, and the image has {n_here} together; fit a model to images of its "
            "kind, or leave --model away"
        )


def tell_misfit(job, number, n_fits, denoiser, sources, channel_axis, say):
    """Say, and return, where a model or a config's parameters do not suit a file."""
    from n2d._suits import misfit_of, seen_by
    from n2d.images import Images

    if job.model is not None:
        _check_channels(job, denoiser, sources, channel_axis)
        told = [(seen_by(denoiser),)]
    elif job.seen:
        # Those of a file of as many channels belong to each, else any will do.
        seen = job.seen if len(job.seen) != n_fits else [job.seen[number]]
        told = [(one, "the config", "tune on it") for one in seen]
    else:
        return []
    images = Images(sources, channel_axis)
    texts = [misfit_of(one[0], images, *one[1:]) for one in told]
    if None in texts:
        return []
    say(f"warning: {texts[0]}", always=True)
    return texts[:1]
