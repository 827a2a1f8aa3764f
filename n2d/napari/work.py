"""What is computed for the window: fits, a part of a plane, all of a layer.

No Qt: a function is given where it reports to, and whether to stop.
"""

import copy
import functools
import inspect
from dataclasses import dataclass, field, replace

import numpy as np

from n2d._memory import check_room
from n2d.core.progress import Cancelled
from n2d.io import View

# What a fit costs, in pixels denoised: it reads so many, and denoises them a few times.
_FIT_PIXELS, _FIT_ROUNDS = 512**2, 3
# So many of the pixels around a part are read along by methods that know no regions.
_AROUND = 32
# Of more planes than so many that are read when asked for, a few are learned from:
# a user waits for the first look.
_MANY, _LEARNED = 64, 16
# No planes farther away are neighbours, in time or in depth.
NEARBY = 3
# Values at a time in which missing values are looked for.
_VALUES = 2**24


class Watch:
    """Where a computation stands, and whether it is to stop.

    `tell` takes the share that is done, 0 to 1, and what is done now; `is_cancelled`
    returns True once nobody wants the result any more; `total` is pixels in all.
    """

    def __init__(self, tell=None, is_cancelled=None, total=1.0):
        self._tell = tell or (lambda share, text: None)
        self._is_cancelled = is_cancelled or (lambda: False)
        self._total, self._done, self._part = max(total, 1.0), 0.0, 1.0

    def check(self):
        """Raise where it is to stop."""
        if self._is_cancelled():
            raise Cancelled("stopped")

    def begin(self, n_pixels, text):
        """Start with a part of the work."""
        self._part, self._text = n_pixels, text
        self.check()
        self._say(0.0)

    def __call__(self, progress):
        """Take what `fit` or `transform` reports; True stops it."""
        self._say(progress.step / max(progress.total, 1))
        return self._is_cancelled()

    def end(self):
        """Count the part as done."""
        self._say(1.0)
        self._done += self._part
        self._part = 0.0

    def _say(self, share):
        done = (self._done + self._part * min(share, 1.0)) / self._total
        self._tell(min(done, 1.0), self._text)


@dataclass
class Fits:
    """A layer's planes, how they are denoised, and the fits that were made for it.

    Attributes
    ----------
    source : n2d.napari.layers.Source
        The layer.
    plan : n2d.files._plan.Plan
        Its planes.
    settings : n2d.napari.settings.Settings
        How they are denoised.
    model : Noise2DetailDenoiser or None
        A fitted denoiser that stands for all fits.
    """

    source: object
    plan: object
    settings: object
    model: object = None
    _fits: dict = field(default_factory=dict)

    def __post_init__(self):
        self._places = {
            _place(plane.key): (number, i)
            for number, planes in enumerate(self.plan.fits)
            for i, plane in enumerate(planes)
        }

    def is_for(self, source, settings, model):
        """Whether the fits hold for a layer and settings, but for the strength."""
        mine = self.source
        return (
            mine.data is source.data
            and (mine.axes, mine.alpha) == (source.axes, source.alpha)
            and replace(self.settings, strength=1.0) == replace(settings, strength=1.0)
            and self.model is model
        )

    def at(self, settings, source=None):
        """The same fits with settings that differ in strength, or another name."""
        found = copy.copy(self)
        found.settings, found.source = settings, source or self.source
        return found

    def kept(self):
        """The same, but for later fits: for results that are computed later."""
        found = copy.copy(self)
        found._fits = dict(self._fits)
        return found

    @functools.cached_property
    def _gaps(self):
        """The pixels without a value; None where there are none."""
        data = self.source.data
        if self.source.dtype.kind != "f" or self.source.alpha:
            return None
        if not self.source.is_lazy and _all_finite(data):
            return None
        from n2d.files._gaps import Gaps, NotANumber

        return Gaps(data, NotANumber(data), self.source.axes)

    @property
    def knows_error(self):
        """Whether the method can say how far off its result is."""
        return self.settings.method == "n2d"

    def fit_of(self, place):
        """Which fit the plane at a place belongs to, and its number there.

        A place is along the axes that are no part of a plane.
        """
        return self._places[tuple(place)]

    @property
    def outer_axes(self):
        """The axes that are no part of a plane, as numbers."""
        key = self.plan.fits[0][0].key
        return [i for i, k in enumerate(key) if not isinstance(k, slice)]

    @property
    def first_place(self):
        """The place of the first plane; see `fit_of`."""
        return _place(self.plan.fits[0][0].key)

    def index_of(self, place):
        """Index of a plane in the layer's pixels."""
        number, i = self.fit_of(place)
        return self._planes_of(number)[i].key

    def is_fitted(self, number):
        """Whether there is a fit, of any strength."""
        return number in self._fits

    def shares_fits_with(self, other):
        """Whether what is fitted for the one is there for the other."""
        return other is not None and self._fits is other._fits

    def fit_all(self, watch):
        """Fit to all planes, unless that was done already."""
        for number in range(len(self.plan.fits)):
            self.fitted(number, watch)

    def total(self, *, of_fits_only=False):
        """What all costs, in pixels denoised."""
        costs = sum(self._fit_cost(n) for n in range(len(self.plan.fits)))
        n_values = float(np.prod(self.source.data.shape, dtype=float))
        return costs if of_fits_only else costs + n_values

    def _planes_of(self, number):
        return self.plan.fits[number]

    def _view(self, plane):
        if self._gaps is not None:
            return self._gaps.plane(plane.key)
        return View(self.source.data, plane.key)

    def fitted(self, number, watch, *, exactly=True):
        """Fit to the planes of one fit, unless that was done already.

        Unless `exactly` is set, a fit made for another strength is changed to that
        which is set, which is as good for a look.
        """
        strength, plan = self.settings.strength, self.plan
        if self.model is not None:
            return self.model.set_params(
                channel_axis=plan.channel_axis, stack=plan.stack, verbose=0
            )
        known = self._fits.get(number)
        if known is not None and known[0] == strength:
            return known[1]
        if known is not None and not exactly and self.settings.method == "n2d":
            return known[1].at_strength(strength)
        planes = self._planes_of(number)
        trains = self.settings.method in ("n2d-paper", "n2d-random", "zs-n2n")
        text = "training on the image" if trains else "measuring the noise"
        watch.begin(self._fit_cost(number), text)
        learned = planes
        if self.source.is_lazy and len(planes) > _MANY:
            some = np.linspace(0, len(planes) - 1, _LEARNED).round().astype(int)
            learned = [planes[i] for i in some]
        elif self._gaps is not None and not self.source.is_lazy:
            learned = [p for p in planes if self._gaps.has_values(p.key)] or planes[:1]
        denoiser = self.settings.denoiser(plan.channel_axis, plan.stack)
        how = {"callback": watch} if _takes(denoiser.fit, "callback") else {}
        denoiser.fit([self._view(plane) for plane in learned], **how)
        watch.end()
        if len(learned) < len(planes) and hasattr(denoiser, "for_all_planes"):
            denoiser = denoiser.for_all_planes()
        self._fits[number] = strength, denoiser
        return denoiser

    def _fit_cost(self, number):
        n_pixels = sum(
            np.prod(View(self.source.data, plane.key).shape)
            for plane in self._planes_of(number)[:4]
        )
        return float(_FIT_ROUNDS * min(n_pixels, _FIT_PIXELS))

    # -- a part of a plane -----------------------------------------------------------

    def part(self, place, rows, columns, watch, *, return_std=False):
        """Denoise a part of one plane; the standard error is None unless asked for."""
        number, i = self.fit_of(place)
        denoiser = self.fitted(number, watch, exactly=False)
        watch.begin((rows.stop - rows.start) * (columns.stop - columns.start), "")
        clean = std = None
        if _takes(denoiser.transform, "region"):
            numbers = self._around(number, i)
            views = [self._view(self._planes_of(number)[j]) for j in numbers]
            at = numbers.index(i)
            shape = self._shape_of(views[at], rows, columns)
            clean = np.empty(shape, np.result_type(self.source.dtype, np.float32))
            out = {at: clean}
            if return_std:
                std = np.empty(shape, clean.dtype)
                out = out, {at: std}
            if self.model is None and len(self._planes_of(number)) > 1:
                denoiser = denoiser.for_planes(numbers)
            denoiser.transform_some(views, out, region=(rows, columns), callback=watch)
        else:
            view = self._view(self._planes_of(number)[i])
            clean = self._cut_out(denoiser, view, rows, columns)
        watch.end()
        return clean, std

    def _around(self, number, i):
        """Numbers of the planes that are read for one: with its neighbours."""
        if self.plan.stack == "independent":
            return [i]
        planes = self._planes_of(number)
        run = [j for j, plane in enumerate(planes) if plane.run == planes[i].run]
        if len(run) <= _MANY:  # which noise is the same is settled among all of them
            return run
        at = run.index(i)
        return run[max(0, at - NEARBY) : at + NEARBY + 1]

    def _shape_of(self, view, rows, columns):
        """The shape of a part of a plane."""
        shape = [rows.stop - rows.start, columns.stop - columns.start]
        if (axis := self.plan.channel_axis) is not None:
            shape.insert(axis, view.shape[axis])
        return tuple(shape)

    def _cut_out(self, denoiser, view, rows, columns):
        """A part of a plane by a method that takes images as a whole."""
        axis = self.plan.channel_axis
        image_axes = [a for a in range(len(view.shape)) if a != axis]
        key = [slice(None)] * len(view.shape)
        inner = list(key)
        for a, part in zip(image_axes, (rows, columns), strict=True):
            start = max(0, part.start - _AROUND)
            key[a] = slice(start, min(view.shape[a], part.stop + _AROUND))
            inner[a] = slice(part.start - start, part.stop - start)
        return denoiser.transform(np.asarray(view[tuple(key)]))[tuple(inner)]

    # -- all of it -------------------------------------------------------------------

    def run(self, watch, *, return_std=False):
        """Denoise all planes, and tell how far the results can be trusted.

        Results are floating point, of colours their own type.
        """
        data = self.source.data
        plan = self.plan
        dtype = self.source.dtype
        if "S" not in self.source.axes or dtype.kind not in "u":
            dtype = np.result_type(dtype, np.float32)
        n_bytes = float(np.prod(data.shape, dtype=float)) * dtype.itemsize
        check_room(
            int(n_bytes * (3 if return_std else 2)),
            "the result",
            "denoise its file in the tab 'Folder', which works from disk to disk",
        )
        denoised = np.empty(data.shape, dtype)
        std = np.zeros(data.shape, np.float32) if return_std else None
        if self.source.alpha:
            denoised[..., -1] = np.asarray(data[..., -1])
        for number, runs in enumerate(plan.runs):
            denoiser = self.fitted(number, watch)
            at = {id(plane): i for i, plane in enumerate(plan.fits[number])}
            for run in runs:
                numbers = [at[id(plane)] for plane in run]
                self._run_some(denoiser, numbers, run, denoised, std, watch)
        return denoised, std, self.trust()

    def _run_some(self, denoiser, numbers, planes, denoised, std, watch):
        views = [self._view(plane) for plane in planes]
        outs = [View(denoised, plane.key) for plane in planes]
        sizes = [float(np.prod(view.shape)) for view in views]
        if _takes(denoiser.transform, "out"):
            if self.model is None:
                denoiser = denoiser.for_planes(numbers)
            how = {"out": outs}
            if std is not None:
                how["out"] = outs, [View(std, plane.key) for plane in planes]
                how["return_std"] = True
            watch.begin(sum(sizes), "denoising")
            denoiser.transform(views, callback=watch, **how)
            watch.end()
        else:
            from n2d.images import convert

            for view, out, size in zip(views, outs, sizes, strict=True):
                watch.begin(size, "denoising")
                clean = denoiser.transform(np.asarray(view[...]))
                out[...] = convert(clean, denoised.dtype)[0]
                watch.end()
        if self._gaps is not None:
            for plane, out in zip(planes, outs, strict=True):
                values = np.array(out[...])
                self._gaps.put_back(values, plane.key, ...)
                out[...] = values

    # -- what came of it -------------------------------------------------------------

    def trust(self):
        """How far results can be trusted: the worst of the fits; None: not known."""
        from n2d._trust import worst_of_fits

        fits = [self.model] if self.model is not None else []
        fits += [denoiser for _, denoiser in self._fits.values()]
        trusts = [f.trust_ for f in fits if hasattr(f, "trust_")]
        return worst_of_fits(trusts) if trusts else None

    def single_model(self):
        """The denoiser that was fitted, as it can be saved; None without a fit."""
        if self.model is not None:
            return self.model
        if not self._fits:
            return None
        if len(self.plan.fits) > 1:
            raise ValueError(
                f"there are {len(self.plan.fits)} fits, and a model is one; let all "
                "planes share a fit first"
            )
        ((_, denoiser),) = self._fits.values()
        if not hasattr(denoiser, "save"):
            raise ValueError(f"{self.settings.method} has no model to be saved")
        found = copy.copy(denoiser.for_all_planes())
        return found.set_params(stack="independent")  # other images are no neighbours

    def sample_of(self, place):
        """Pixels of a plane, (C, h, w) or (h, w), to see its contrast by."""
        number, i = self.fit_of(place)
        view = View(self.source.data, self._planes_of(number)[i].key)
        axis = self.plan.channel_axis
        key = [
            slice(None) if a == axis else slice(max(0, n // 2 - 256), n // 2 + 256)
            for a, n in enumerate(view.shape)
        ]
        values = np.asarray(view[tuple(key)], dtype=float)
        values = values if axis is None else np.moveaxis(values, axis, 0)
        return np.nan_to_num(values)

    def noise_of(self, place):
        """The noise that a plane is denoised with: a tuple, one for each channel.

        None where nothing is known of it.
        """
        number, i = self.fit_of(place)
        if self.model is not None:
            found = self.model.noise_
        elif number in self._fits:
            found = getattr(self._fits[number][1], "noise_", None)
            found = found[i] if isinstance(found, list) else found
        else:
            return None
        if found is None:
            return None
        return found if isinstance(found, tuple) else (found,)


def _place(key):
    """The place of a plane along the axes that are no part of it."""
    return tuple(k for k in key if not isinstance(k, slice))


def _takes(function, name):
    return name in inspect.signature(function).parameters


def _all_finite(array):
    """Whether there are no missing values; a part at a time."""
    flat = array.reshape(-1) if array.flags.c_contiguous else array
    step = _VALUES if flat is not array else max(1, _VALUES * len(array) // array.size)
    parts = (flat[i : i + step] for i in range(0, len(flat), step))
    return all(np.isfinite(part).all() for part in parts)
