"""Which planes of a file are denoised, which share a fit, and how to say so."""

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np

from n2d.files._agreement import which_agree
from n2d.files._words import count


class AxesError(ValueError):
    """The axes of a file, or those that were asked for, make no sense."""


_KNOWN = "TCZYXSIQ"
# So many take about a third of a gigabyte.
MOST_PLANES = 2**20
# The last axis of an image looks like channels, and the two before like its sides.
_MOST_CHANNELS, _LEAST_SIDE = 10, 32
_NAMES = {"T": "time points", "Z": "Z planes", "I": "images", "Q": "planes"}

# What planes along an axis are to each other.
NEIGHBOURS = {"time": "T", "depth": "Z"}


def named_axes(axes, shape, asked=None):
    """Return the axes of a file: those that were asked for, or its own.

    Raises an AxesError if `asked` does not fit the shape or has other letters than T,
    C, Z, Y, X, S, I and Q.

    >>> named_axes("QYX", (5, 64, 64), "tyx")
    'TYX'
    """
    if asked is None:
        return axes
    asked = asked.upper()
    text = f"--axes {asked}: "
    if unknown := sorted(set(asked) - set(_KNOWN)):
        raise AxesError(f"{text}there is no axis {', '.join(unknown)}; use {_KNOWN}")
    if len(set(asked)) != len(asked) or not {"Y", "X"} <= set(asked):
        raise AxesError(f"{text}every letter once, Y and X among them")
    if len(asked) != len(shape):
        raise AxesError(
            f"{text}the file has {len(shape)} axes ({axes}), of shape "
            f"{'x'.join(map(str, shape))}"
        )
    return asked


def plan_of(image, *, axes=None, **options):
    """Settle which planes of an open file are denoised: the one way for all commands.

    `axes` is for files that do not say so themselves, `options` for `plan_planes`.
    """
    letters = named_axes(image.axes, image.data.shape, axes)
    alpha = image.alpha and "S" in letters
    chosen = "auto"
    if options.get("stack") == "auto" and options.get("fit_per") != "plane":
        chosen = _better_of_both(image.data, letters, options.get("channel_axis"))
        options["stack"] = chosen
    plan = plan_planes(letters, image.data.shape, alpha=alpha, **options)
    if chosen != "auto":
        text = plan.description.replace("agree, not in", "agree, more than in")
        plan = replace(plan, description=text)
    if axes is None and options.get("channel_axis") is None:
        plan = replace(plan, cautions=_cautions(letters, image.data.shape))
    return plan


def _better_of_both(data, axes, channel_axis):
    """What planes of a file with both T and Z are to each other; "auto" of others."""
    image_axes = [axes.index("Y"), axes.index("X")] if {*"YX"} <= set(axes) else []
    several = {a for a, n in zip(axes, data.shape, strict=True) if n > 1}
    if not image_axes or not {*"TZ"} <= several or channel_axis is not None:
        return "auto"
    return which_agree(data, axes, image_axes)


def _cautions(axes, shape):
    """Say where axes without a name look like those of one image, channels last."""
    if len(axes) < 3 or axes[-2:] != "YX" or axes[-3] not in "IQ":
        return ()
    n_planes, height, n_channels = shape[-3:]
    if n_channels > _MOST_CHANNELS or min(n_planes, height) < _LEAST_SIDE:
        return ()
    advice = f"--axes {axes[:-3]}YXC"
    if n_channels in (3, 4):
        advice += f", or {axes[:-3]}YXS if they are colours"
    return (
        f"is read as {n_planes} planes of {height} x {n_channels} pixels, because it "
        f"does not name its axes; for one image of {n_planes} x {height} pixels and "
        f"{n_channels} channels say {advice}",
    )


@dataclass(frozen=True, slots=True)
class Plane:
    """One image for the denoiser.

    Attributes
    ----------
    key : tuple of int and slice
        Its place in the array of the file.
    opacity : tuple of int and slice, or None
        The place of its opacity, which is passed on as it is.
    run : tuple of int
        Planes of one run follow each other in time, or in depth.
    """

    key: tuple
    opacity: tuple | None = None
    run: tuple = ()


@dataclass(frozen=True)
class Plan:
    """Which planes a file has, and which share a fit.

    Attributes
    ----------
    fits : tuple of tuple of Plane
        The planes that share a fit, for every fit.
    channel_axis : int or None
        The axis of a plane that holds channels which are denoised together.
    description : str
        All that in one line.
    axes : str
        One letter for each axis of the file, as settled.
    is_series : bool
        Whether the file has axes besides those of a plane and the channels.
    stack : str
        What planes of a run are to each other, as `n2d.Noise2DetailDenoiser` takes it.
    cautions : tuple of str
        What a user should look at before believing the plan.
    """

    fits: tuple
    channel_axis: int | None
    description: str
    axes: str = ""
    is_series: bool = False
    stack: str = "independent"
    cautions: tuple = ()

    @property
    def runs(self):
        """The planes of every fit, run by run."""
        found = []
        for planes in self.fits:
            runs = {}
            for plane in planes:
                runs.setdefault(plane.run, []).append(plane)
            found.append(list(runs.values()))
        return found

    @property
    def n_planes(self):
        """How many planes there are in all."""
        return sum(map(len, self.fits))


def plan_planes(
    axes,
    shape,
    *,
    alpha=False,
    channels="independent",
    fit_per="channel",
    channel_axis=None,
    model=None,
    stack="independent",
):
    """Settle which planes of a file are denoised, and which share a fit.

    Parameters
    ----------
    axes : str
        One letter per axis.
    shape : tuple of int
        The shape of the file's array.
    alpha : bool, default=False
        Whether the last sample of a pixel is its opacity.
    channels : {"independent", "together"}, default="independent"
        Whether the axis C holds images of their own. Samples (S) never do.
    fit_per : {"plane", "channel", "file"}, default="channel"
        What shares a fit.
    channel_axis : int, optional
        An axis whose entries are denoised together, whatever its letter.
    model : path-like, optional
        The model that stands for all fits.
    stack : {"independent", "time", "depth", "auto"}, default="independent"
        What the planes of a series are to each other; ``"auto"``: what its axes say,
        T before Z. (`plan_of` looks which of the two agree more.)

    Returns
    -------
    Plan
        The plan.

    Raises
    ------
    AxesError
        If that cannot be done.

    Examples
    --------
    >>> from n2d.files._plan import plan_planes
    >>> plan = plan_planes("ZCYX", (61, 2, 512, 512))
    >>> len(plan.fits), plan.n_planes, plan.channel_axis
    (2, 122, None)
    >>> plan.description
    '2 channels independently; 61 Z planes each, plane by plane, the noise measured \
for each channel: 122 planes'
    """
    together = _together(axes, shape, channels, channel_axis)
    plane_axes = _plane_axes(axes, shape, together)
    image_axes = sorted(plane_axes + ([] if together is None else [together]))
    own = [i for i, a in enumerate(axes) if a == "C" and i not in image_axes]
    series = [i for i in range(len(axes)) if i not in image_axes and i not in own]
    n_samples = 0 if together is None else shape[together]
    opaque = alpha and together is not None and axes[together] == "S"
    single = opaque and n_samples == 2
    stack, along = _settle_stack(stack, axes, shape, series, fit_per)

    n_planes = math.prod(shape[i] for i in own + series)
    if n_planes > MOST_PLANES:
        raise AxesError(
            f"the file has {n_planes:,} planes, and at most {MOST_PLANES:,} are taken; "
            "split it, or say by --axes which axes are Y and X"
        )
    whole = [slice(0, n) for n in shape]  # shared by all planes

    def plane(channel, place):
        key = list(whole)
        for axis, i in (
            *zip(own, channel, strict=True),
            *zip(series, place, strict=False),
        ):
            key[axis] = int(i)
        run = ()
        if along is not None:
            there = zip(series, place, strict=True)
            run = (*channel, *(int(i) for axis, i in there if axis != along))
        if not opaque:
            return Plane(tuple(key), run=run)
        opacity = list(key)
        opacity[together] = n_samples - 1
        key[together] = 0 if single else slice(0, n_samples - 1)
        return Plane(tuple(key), tuple(opacity), run)

    groups = [
        [plane(channel, place) for place in _indices(shape, series)]
        for channel in _indices(shape, own)
    ]
    if fit_per == "file" or model is not None:
        groups = [[one for group in groups for one in group]]
    elif fit_per == "plane":
        groups = [[one] for group in groups for one in group]
    axis = None if together is None or single else image_axes.index(together)
    plan = Plan(tuple(map(tuple, groups)), axis, "", stack=stack)
    text = _describe(
        axes, shape, together, own, series, plan, fit_per, channel_axis, alpha, model
    )
    return Plan(plan.fits, axis, text, axes, bool(series), stack)


def _settle_stack(stack, axes, shape, series, fit_per):
    """What planes are to each other, and the axis along which they are; or None."""
    found = {axes[i]: i for i in series if shape[i] > 1}
    if stack == "auto":
        known = [name for name, letter in NEIGHBOURS.items() if letter in found]
        stack = known[0] if known and fit_per != "plane" else "independent"
    if stack == "independent":
        return stack, None
    if not found:
        return "independent", None
    letter = NEIGHBOURS[stack]
    if letter not in found:
        raise AxesError(
            f"--stack {stack}: the file has the axes {axes}, of shape "
            f"{'x'.join(map(str, shape))}, and no planes along {letter}; if it is one "
            "of them, say so with --axes"
        )
    if fit_per == "plane":
        raise AxesError(
            f"--stack {stack}: neighbours need noise that is measured on all of them; "
            "leave --fit-per plane away"
        )
    return stack, found[letter]


def _indices(shape, axes):
    """Yield all places along some axes."""
    return itertools.product(*(range(shape[i]) for i in axes))


def _together(axes, shape, channels, channel_axis):
    """Return the axis whose entries are denoised together, or None."""
    if channel_axis is not None:
        n_axes = len(axes)
        if not -n_axes <= channel_axis < n_axes:
            raise AxesError(
                f"--channel-axis {channel_axis}: the file has the {n_axes} axes "
                f"{axes}, of shape {'x'.join(map(str, shape))}"
            )
        if n_axes < 3:
            raise AxesError(
                f"--channel-axis {channel_axis}: the file has the axes {axes} only, "
                "and none of them can hold channels"
            )
        return channel_axis % n_axes
    if "S" in axes:
        if channels == "together" and "C" in axes:
            raise AxesError(
                "--channels together: the file has colours (S) and channels (C), and "
                "only one of the two can be denoised together; leave the option away"
            )
        return axes.index("S")
    if channels == "together" and "C" in axes:
        return axes.index("C")
    return None


def _plane_axes(axes, shape, together):
    """Return the two axes of a plane: Y and X, or the last two that are left."""
    others = [i for i in range(len(axes)) if i != together]
    plane = [i for i in others if axes[i] in "YX"]
    plane = plane if len(plane) == 2 else others[-2:]
    if len(plane) < 2:
        raise AxesError(f"shape {'x'.join(map(str, shape))}: an image has two axes")
    return plane


def _describe(
    axes, shape, together, own, series, plan, fit_per, channel_axis, alpha, model
):
    parts = []
    if together is not None:
        n = shape[together] - (alpha and axes[together] == "S")
        source = "as the file says"
        if channel_axis is not None:
            source = "as --channel-axis says"
        elif axes[together] == "C":
            source = "as --channels says"
        if n > 1:
            parts.append(f"{n} channels together, {source}")
        if alpha and axes[together] == "S":
            parts.append("opacity kept as it is")
    n_channels = int(np.prod([shape[i] for i in own], dtype=int))
    if own:
        parts.append(f"{count(n_channels, 'channel')} independently")
    if series:
        sizes = [f"{shape[i]} {_NAMES.get(axes[i], axes[i])}" for i in series]
        each = " each" if n_channels > 1 else ""
        how = "plane by plane"
        if plan.stack != "independent":
            others = [n for n, a in NEIGHBOURS.items() if n != plan.stack and a in axes]
            but = f", not in {others[0]}" if others else ""
            how = f"each with its neighbours in {plan.stack} where they agree{but}"
        text = f"{' x '.join(sizes)}{each}, {how}, "
        if model is not None:
            text += f"with the model {model}"
        elif fit_per == "plane":
            text += "the noise of each measured on its own"
        elif fit_per == "file" or n_channels == 1:
            text += "the noise measured on all together"
        else:
            text += "the noise measured for each channel"
        parts.append(text)
    elif fit_per == "file" and n_channels > 1 and model is None:
        parts.append("the noise measured on all together")
    elif model is not None:
        parts.append(f"with the model {model}")
    if plan.n_planes == 1:
        return "; ".join(parts) or "one image"
    return ": ".join(filter(None, ("; ".join(parts), count(plan.n_planes, "plane"))))
