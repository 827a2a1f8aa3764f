"""What is known about the noise of an image, in the image's own units."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import numpy as np

from n2d._masked import read_unmasked
from n2d.noise.defects import Defects
from n2d.noise.written import fields_of, model_of_fields

#: Distances, in pixels, at which the correlation of the noise is kept.
N_LAGS = 4

# A spectrum has at least so much of white noise's power at every frequency.
_LEAST_POWER = 0.01


def _no_correlation() -> np.ndarray:
    return np.zeros((2, N_LAGS))


def _same(one, other) -> bool:
    """Tell whether two arrays, or nothing, are equal."""
    if one is None or other is None:
        return one is other
    return np.array_equal(one, other)


@dataclass(frozen=True, eq=False)
class NoiseModel:
    """Level, signal dependence and neighbour correlation of the noise of an image.

    The variance of a pixel whose noise-free intensity is ``x`` is
    ``gain * max(x - offset, 0) + read_noise**2``: photon noise, and read noise that
    does not depend on the light. All but `correlation` are in the units of the image.

    Parameters
    ----------
    level : float
        Noise of the image as a whole: the root of the variance averaged over its
        pixels; at least 0.
    gain : float, default=0.0
        Rise of the variance with intensity, in image units per photon where the
        noise is photon noise; at least 0. 0: the noise does not depend on intensity.
    offset : float, default=0.0
        Intensity at which there is no photon noise: the detector's reading in the
        dark.
    read_noise : float, default=None
        Standard deviation of the noise at `offset` and below; at least 0. None means
        `level` where `gain` is 0, else 0.
    correlation : array_like of float, shape (2, n_lags), default=None
        Correlation between the noise of two pixels 1, 2, ... apart, along y in row 0
        and along x in row 1. None means that pixels are independent, with 4 lags.

    diagonals : array_like of float, shape (2, n_lags), default=None
        Correlation along the main diagonal (down and right) in row 0 and along the
        other in row 1, at 1, 2, ... steps. None: the product of those along y and x.
    place : array_like of float, shape (rows, columns), default=None
        Deviation of the noise from place to place, relative to the rest of this model,
        on a coarse grid that spans the image; above 0. None: the same everywhere.
    shared : array_like of float, shape (C, C), default=None
        Correlation of the noise between the channels that this one belongs to. None:
        every channel has noise of its own.
    defects : Defects, default=None
        Hot pixels, stripes and patterns found beside the noise.
    spread : float, default=None
        By what share `level` may be off, as a rule. None: not known.
    curve : array_like of float, shape (2, n), default=None
        Rising intensities and the variance there, where gain and read noise do not
        describe it: noise that falls with intensity, or saturates. Between them it is
        interpolated, beyond them constant. `gain` is 0 then.

    Raises
    ------
    TypeError
        If `level`, `gain`, `offset` or `read_noise` is not a number.
    ValueError
        If one of them is not finite or out of its range, or `correlation` is not of
        shape (2, n_lags), finite and within [-1, 1].

    See Also
    --------
    stabilize : Give noise of this model the same standard deviation everywhere.

    Notes
    -----
    Mean and variance alone cannot tell read noise from photons of a background below
    the darkest place: `offset` and `read_noise` of the same ``read_noise**2 - gain *
    offset`` describe the same variance.

    Examples
    --------
    >>> from n2d.noise import NoiseModel
    >>> camera = NoiseModel(level=7.0, gain=2.0, offset=100.0, read_noise=3.0)
    >>> camera.variance([90, 100, 120]).tolist()
    [9.0, 9.0, 49.0]
    """

    level: float
    gain: float = 0.0
    offset: float = 0.0
    read_noise: float | None = None
    correlation: np.ndarray = field(default=None)
    diagonals: np.ndarray | None = None
    place: np.ndarray | None = None
    shared: np.ndarray | None = None
    defects: Defects | None = None
    spread: float | None = None
    curve: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.read_noise is None:
            object.__setattr__(self, "read_noise", 0.0 if self.gain else self.level)
        for name in ("level", "gain", "offset", "read_noise"):
            try:
                value = float(getattr(self, name))
            except (TypeError, ValueError):
                raise TypeError(
                    f"{name} must be one number, got {getattr(self, name)!r}"
                ) from None
            if not np.isfinite(value) or (name != "offset" and value < 0):
                wanted = "finite" if name == "offset" else "finite and at least 0"
                raise ValueError(f"{name} must be {wanted}, got {value!r}")
            object.__setattr__(self, name, value)
        if self.spread is not None:
            object.__setattr__(self, "spread", float(self.spread))
            if not self.spread >= 0:
                raise ValueError(f"spread must be at least 0, got {self.spread!r}")
        if not isinstance(self.defects, Defects | None):
            raise TypeError(
                "defects must be of n2d.noise.Defects, got "
                f"{type(self.defects).__name__}"
            )
        correlation = self.correlation
        correlation = np.array(
            _no_correlation() if correlation is None else correlation, dtype=np.float64
        )
        if correlation.ndim != 2 or len(correlation) != 2:
            raise ValueError(
                "correlation must have shape (2, n_lags), one row per axis (y, x), "
                f"got {correlation.shape}"
            )
        if not (np.abs(correlation) <= 1).all():
            raise ValueError("correlation must be finite and within [-1, 1]")
        correlation.flags.writeable = False
        object.__setattr__(self, "correlation", correlation)
        for name in ("diagonals", "place", "shared", "curve"):
            self._settle_array(name)

    def _settle_array(self, name: str) -> None:
        """Check an optional array and keep a copy that cannot be changed."""
        array = getattr(self, name)
        if array is None:
            return
        array = np.array(array, dtype=np.float64)
        if array.ndim != 2 or not array.size or not np.isfinite(array).all():
            raise ValueError(f"{name} must be finite and have two axes")
        if name == "place" and not (array > 0).all():
            raise ValueError("place must be above 0 everywhere")
        if name == "curve" and not (
            len(array) == 2
            and array.shape[1] >= 2
            and (np.diff(array[0]) > 0).all()
            and (array[1] > 0).all()
        ):
            raise ValueError(
                "curve must be rising intensities and their variances, above 0"
            )
        if name in ("diagonals", "shared") and not (np.abs(array) <= 1 + 1e-9).all():
            raise ValueError(f"{name} must be within [-1, 1]")
        if name == "diagonals" and len(array) != 2:
            raise ValueError("diagonals must have two rows")
        if name == "shared" and array.shape[0] != array.shape[1]:
            raise ValueError("shared must be square")
        array.flags.writeable = False
        object.__setattr__(self, name, array)

    def __eq__(self, other) -> bool:
        if not isinstance(other, NoiseModel):
            return NotImplemented
        arrays = zip(self._arrays(), other._arrays(), strict=True)
        return (
            self._scalars() == other._scalars()
            and self.defects == other.defects
            and all(_same(one, another) for one, another in arrays)
        )

    def __hash__(self) -> int:
        return hash((self._scalars(), self.correlation.tobytes()))

    def _curve(self, scale, shift, of_variance):
        """The curve with other intensities and variances, where there is one."""
        if self.curve is None:
            return None
        return np.stack([scale * self.curve[0] + shift, of_variance * self.curve[1]])

    def _scalars(self) -> tuple[float, ...]:
        return self.level, self.gain, self.offset, self.read_noise

    def _arrays(self) -> tuple:
        return self.correlation, self.diagonals, self.place, self.shared, self.curve

    @classmethod
    def from_frames(cls, frames=None, *, dark=None, flat=None) -> NoiseModel:
        """Calibrate the noise of a camera, or of a scene that was captured repeatedly.

        Parameters
        ----------
        frames : array_like of real numbers, shape (n, H, W), optional
            Two or more captures of the same scene, which stands still. It may get
            brighter or darker as a whole, from bleaching or a lamp that flickers: the
            noise is that of each frame in its own brightness.
        dark, flat : array_like of real numbers, shape (n, H, W), optional
            Instead: two or more captures without light, and of an evenly lit field.

        Returns
        -------
        noise : NoiseModel
            Level, gain, offset, read noise and correlation. The level is that of
            `frames`, or of `flat`, on average.

        Raises
        ------
        TypeError
            If one of them is masked.
        ValueError
            If neither `frames` nor both of `dark` and `flat` are given, or one of them
            has not two or more frames of finite numbers, or too large ones.

        Warns
        -----
        n2d.NoiseWarning
            If the scene moves, grows, leaves the focus or changes otherwise, or is
            saturated in some frames: that counts as noise. If some frames have far more
            or less noise than the others: they are left out.

        Notes
        -----
        Noise is new in every frame: what a frame has beside the mean goes neither with
        slopes of the scene nor with its intensity, and is not more like the next
        frame's than like any other's. What does so by more than a tenth of its power,
        and than chance makes of it, is said; frames below 32x32 pixels are too small
        for that. A change of brightness as a whole is taken out before, so that in dark
        and evenly lit frames a drift of the lamp is no noise. Periodic scenes that move
        by about a period, and two frames with a little motion in strong noise, may pass
        for steady.

        Examples
        --------
        >>> import numpy as np
        >>> from n2d.noise import NoiseModel, add_poisson_gaussian_noise
        >>> scene = np.linspace(100, 300, 128) * np.ones((8, 128, 1))
        >>> frames = add_poisson_gaussian_noise(scene, 2.0, 3.0, offset=100.0, rng=0)
        >>> bool(abs(NoiseModel.from_frames(frames).gain - 2) < 0.1)
        True
        """
        from n2d.noise.frames import model_of_frames

        return model_of_frames(cls, frames, dark, flat)

    def to_json(self) -> str:
        """Write the model as JSON, which ``n2d denoise --noise FILE`` takes.

        Returns
        -------
        text : str
            An object with the fields that are not as by default.

        Examples
        --------
        >>> from n2d.noise import NoiseModel
        >>> print(NoiseModel(level=7.0, gain=2.0).to_json())
        {
          "level": 7.0,
          "gain": 2.0
        }
        """
        return json.dumps(fields_of(self), indent=2, allow_nan=False)

    @classmethod
    def from_json(cls, text) -> NoiseModel:
        """Read what `to_json` has written, or what was written by hand.

        Parameters
        ----------
        text : str
            An object with the fields of a model; only the level has to be there.

        Returns
        -------
        noise : NoiseModel
            The model.

        Raises
        ------
        ValueError
            If it is no JSON, or something in it will not do; the message names it.

        Examples
        --------
        >>> from n2d.noise import NoiseModel
        >>> NoiseModel.from_json('{"level": 7, "gain": 2}').gain
        2.0
        """
        return model_of_fields(cls, json.loads(text))

    @property
    def stuck(self) -> list:
        """Values that pixels are stuck at, as `Defects` has them; none as a rule."""
        return [] if self.defects is None else self.defects.stuck

    def variance(self, intensity) -> np.ndarray:
        """Give the variance of the noise at given noise-free intensities.

        Parameters
        ----------
        intensity : array_like of real numbers, any shape
            Noise-free intensities in the units of the image.

        Returns
        -------
        variance : ndarray of float64
            Variance of the noise in squared image units, same shape.

        Examples
        --------
        >>> from n2d.noise import NoiseModel
        >>> NoiseModel(level=2.0).variance([0, 50]).tolist()
        [4.0, 4.0]
        """
        intensity = read_unmasked(intensity, "intensity").astype(np.float64)
        if self.curve is not None:
            return np.interp(intensity, *self.curve)
        above = np.maximum(intensity - self.offset, 0)
        return self.gain * above + self.read_noise**2

    def rescaled(self, scale, shift=0.0) -> NoiseModel:
        """Give the noise of the image ``scale * image + shift``.

        Parameters
        ----------
        scale : float
            Factor of the intensities; above 0.
        shift : float, default=0.0
            Added to the scaled intensities.

        Returns
        -------
        noise : NoiseModel
            The same noise in the new units.

        Raises
        ------
        ValueError
            If `scale` is not above 0.

        Examples
        --------
        >>> from n2d.noise import NoiseModel
        >>> unit = NoiseModel(level=10.0, gain=2.0, offset=51.0).rescaled(1 / 255)
        >>> round(unit.level, 4), round(unit.gain, 5), round(unit.offset, 2)
        (0.0392, 0.00784, 0.2)
        """
        if not scale > 0:
            raise ValueError(f"scale must be above 0, got {scale!r}")
        defects = self.defects
        if defects is not None:
            defects = defects.rescaled(scale, shift)
        return replace(
            self,
            level=scale * self.level,
            gain=scale * self.gain,
            offset=scale * self.offset + shift,
            read_noise=scale * self.read_noise,
            defects=defects,
            curve=self._curve(scale, shift, scale**2),
        )

    def louder(self, factor) -> NoiseModel:
        """Give noise of the same kind with another standard deviation.

        Parameters
        ----------
        factor : float
            Factor of the standard deviation at every intensity; at least 0.

        Returns
        -------
        noise : NoiseModel
            With `level` and `read_noise` times `factor`, `gain` times its square.

        Examples
        --------
        >>> from n2d.noise import NoiseModel
        >>> noise = NoiseModel(level=5.0, gain=2.0, read_noise=3.0)
        >>> noise.louder(2).variance(10) == 4 * noise.variance(10)
        np.True_
        """
        return replace(
            self,
            level=factor * self.level,
            gain=factor**2 * self.gain,
            read_noise=factor * self.read_noise,
            curve=self._curve(1.0, 0.0, factor**2) if factor else None,
        )

    def autocorrelation(self) -> np.ndarray:
        """Give the autocorrelation along four directions.

        Returns
        -------
        autocorrelation : ndarray of float64, shape (4, 4)
            Along y, x, the main diagonal and the other one, at lags 0 to 3; lag 0 is 1.

        Examples
        --------
        >>> from n2d.noise import NoiseModel
        >>> noise = NoiseModel(1.0, correlation=[[0.5, 0.1, 0], [0.4, 0, 0]])
        >>> noise.autocorrelation()[:3, :2].tolist()
        [[1.0, 0.5], [1.0, 0.4], [1.0, 0.2]]
        """
        found = np.zeros((4, 4))
        found[:, 0] = 1
        axes = self.correlation[:, :3]
        found[:2, 1 : 1 + axes.shape[1]] = axes
        found[2:, 1:] = found[0, 1:] * found[1, 1:]
        if self.diagonals is not None:
            lags = self.diagonals[:, :3]
            found[2:, 1 : 1 + lags.shape[1]] = lags
        return found

    def spectrum(self, shape) -> np.ndarray:
        """Give the power spectrum of the noise, relative to that of white noise.

        Parameters
        ----------
        shape : tuple of two int
            Rows and columns of an image.

        Returns
        -------
        spectrum : ndarray of float64, shape `shape`
            Power at the frequencies of `numpy.fft.fft2`; above 0, of mean 1. Where the
            correlation is known along the axes and diagonals alone, that between them
            is the product along the axes.

        Examples
        --------
        >>> from n2d.noise import NoiseModel
        >>> rows = NoiseModel(1.0, correlation=[[0, 0], [0.5, 0]]).spectrum((4, 8))
        >>> rows[0, [0, 4]].round(2).tolist()
        [2.0, 0.01]
        """
        lags = [min(self.correlation.shape[1], (n - 1) // 2) for n in shape]
        along = [
            np.concatenate([[1.0], c[:n]])
            for c, n in zip(self.correlation, lags, strict=True)
        ]
        known, steps = self.autocorrelation()[2:], np.arange(1, 1 + min(3, *lags))
        found = np.zeros(shape)
        for sign, diagonal in ((1, 0), (-1, 1)):
            quadrant = np.outer(*along)
            quadrant[steps, steps] = known[diagonal, steps]
            y, x = np.ix_(np.arange(len(along[0])), sign * np.arange(len(along[1])))
            found[y, x] = found[-y, -x] = quadrant
        power = np.fft.fft2(found).real
        # What is known of a few distances alone may not be a spectrum as it is.
        power = np.maximum(power, _LEAST_POWER)
        return power / power.mean()

    def reach(self, threshold=0.1) -> tuple[int, int]:
        """Tell how far apart pixels must be taken for their noise to be independent.

        Parameters
        ----------
        threshold : float, default=0.1
            Correlation, in absolute value, that counts as none.

        Returns
        -------
        reach : (int, int)
            Largest lag along (y, x) whose correlation exceeds `threshold`; 0 where
            direct neighbours are independent. Pixels farther apart than this share
            no noise.

        Examples
        --------
        >>> from n2d.noise import NoiseModel
        >>> NoiseModel(1.0, correlation=[[0.6, 0.2, 0, 0], [0.05, 0, 0, 0]]).reach()
        (2, 0)
        """
        n_lags = self.correlation.shape[1]
        lags = np.where(np.abs(self.correlation) > threshold, 1 + np.arange(n_lags), 0)
        return tuple(int(lag) for lag in lags.max(axis=1, initial=0))
