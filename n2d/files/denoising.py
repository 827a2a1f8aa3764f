"""One file denoised, from Python."""

import os
import warnings
from numbers import Integral
from pathlib import Path

from n2d._config import N2D_METHODS
from n2d.files._checks import check_knows_error
from n2d.files._jobs import Callback, Job, carry_out
from n2d.files._methods import plain_denoiser, settled_method
from n2d.files._originals import Originals
from n2d.files._targets import error_files

_CHOICES = {
    "channels": ("independent", "together"),
    "fit_per": ("plane", "channel", "file"),
    "dtype": ("same", "float32"),
    "nan": ("refuse", "mask"),
    "stack": ("independent", "time", "depth"),
}
# Parameters that say how a model is applied, not how it is fitted.
_OF_A_MODEL_TOO = ("stack", "device", "precision", "verbose")


def denoise_file(
    source,
    target,
    *,
    series=None,
    axes=None,
    channels="independent",
    channel_axis=None,
    fit_per="channel",
    method="n2d",
    model=None,
    dtype="same",
    nan="refuse",
    uncertainty=None,
    overwrite=False,
    resume=False,
    callback=None,
    **parameters,
):
    """Denoise an image file, plane by plane, into another one.

    Does what the command ``n2d denoise`` does for one file. Large files are read and
    written in parts. The result gets its name when it is complete; if anything goes
    wrong, an existing target is untouched.

    Parameters
    ----------
    source : str or os.PathLike
        An image file of a format that `n2d.io` reads, or an OME-Zarr folder.
    target : str or os.PathLike
        The file to write; its suffix decides the format. Where that is the source's,
        metadata are kept.
    series : int, optional
        Which image, counted from 0, of a source that holds several different ones.
    axes : str, optional
        One letter for each axis of the source, such as ``"TCZYX"``: T time, C channels,
        Z depth, Y rows, X columns, S samples (RGB). By default what the file says.
    channels : {"independent", "together"}, default="independent"
        Whether the channels (C) are denoised each on its own, or with one network that
        sees all. Colours (S) are always together.
    channel_axis : int, optional
        The axis of the file that holds channels to denoise together, whatever its
        letter.
    fit_per : {"plane", "channel", "file"}, default="channel"
        What shares a fit: nothing, the planes (Z, T) of a channel, or all planes.
    method : str, default="n2d"
        Name of the denoiser, as in `n2d.denoiser_registry`: what `n2d compare` lists.
    model : str or os.PathLike, optional
        A file that `n2d.Noise2DetailDenoiser.save` or ``n2d fit`` has written, used
        instead of a fit.
    dtype : {"same", "float32"}, default="same"
        Of the target: that of the source, rounded and clipped to what it can hold, or
        floating point, untouched.
    nan : {"refuse", "mask"}, default="refuse"
        What becomes of pixels that are NaN or infinite: an error, or what is around
        them is denoised without them, and they stay as they are.
    uncertainty : str or os.PathLike, optional
        Another file to write, for the standard error of every pixel, float32 in the
        units of the source, see `n2d.Noise2DetailDenoiser.transform`; or a folder for
        a file called like the target. NaN where the source has no intensity.
    overwrite : bool, default=False
        Whether existing targets may be replaced.
    resume : bool, default=False
        Whether to go on with a run that was cut off: a target that is finished, and was
        made from the same input with the same parameters and version, is left as it is.
    callback : callable, optional
        Called with the progress of fitting and transforming, as for
        `n2d.Noise2DetailDenoiser.fit`; returning True cancels.
    **parameters : object
        Parameters of `n2d.Noise2DetailDenoiser`, such as ``random_state=0``, or of
        another `method`, such as ``blur=2``. ``stack`` is what the axes say by default:
        neighbours in time (T) or in depth (Z), see :doc:`/guide/stacks`. Of
        ``noise`` for every channel, channels that are fitted each on its own get each
        its own.

    Returns
    -------
    DenoisedFile
        What was done: ``shape``, ``axes`` and ``dtype`` of the target, ``n_fits``,
        ``n_planes``, ``n_clipped`` of ``n_values``, ``notes`` for the user,
        ``seconds``, whether it was ``skipped``, and how far to ``trust`` it.

    Raises
    ------
    FileExistsError
        If the target exists and may not be replaced; nothing is computed then.
    n2d.io.ImageFileError
        If the source cannot be read, or the target cannot hold the result.
    OSError
        If the target cannot be written, for example because the disk is full.
    ValueError
        If axes or parameters make no sense, or `target` is a link to what is read, a
        part of it or around it.

    See Also
    --------
    Noise2DetailDenoiser : For arrays.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from n2d import denoise_file
    >>> from n2d.io import read_image, write_image
    >>> scene = np.linspace(20, 400, 64) * np.ones((2, 64, 1))
    >>> noisy = np.random.default_rng(0).poisson(scene).astype(np.uint16)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     source = pathlib.Path(folder, "noisy.tif")
    ...     target = pathlib.Path(folder, "clean.tif")
    ...     write_image(source, noisy, axes="TYX")
    ...     done = denoise_file(source, target, random_state=0)
    ...     clean = read_image(target).data
    >>> done.axes, done.n_fits, done.n_planes
    ('TYX', 1, 2)
    >>> clean.dtype.name, bool(clean.std() < noisy.std())
    ('uint16', True)
    """
    source, target = (Path(os.fspath(path)) for path in (source, target))
    given = {"channels": channels, "fit_per": fit_per, "dtype": dtype, "nan": nan}
    if resume and overwrite:
        raise ValueError(
            "resume keeps results that are finished, overwrite replaces them; give one "
            "of the two"
        )
    if method != "n2d":
        method, parameters = _settled(method, parameters)
    if method in N2D_METHODS and "stack" in parameters:
        given["stack"] = parameters["stack"]
    for name, value in given.items():
        if value not in _CHOICES[name]:
            allowed = ", ".join(map(repr, _CHOICES[name]))
            raise ValueError(f"{name} must be one of {allowed}; got {value!r}")
    for name, value, kind, words in (
        ("series", series, Integral, "a whole number"),
        ("channel_axis", channel_axis, Integral, "a whole number"),
        ("axes", axes, str, "a text, one letter for every axis, such as 'TYX',"),
    ):
        if value is not None and not isinstance(value, kind):
            raise TypeError(f"{name} must be {words} or None, got {value!r}")
    unfit = [name for name in parameters if name not in _OF_A_MODEL_TOO]
    if model is not None and (unfit or method not in N2D_METHODS):
        about = ", ".join(unfit) or "method"
        raise ValueError(f"a model is fitted already, and {about} is about fitting")
    Originals([source, model]).refuse(target, source=source)
    errors = None
    if uncertainty is not None:
        errors = error_files(uncertainty, [(source, target)], settings=[model])
    job = Job(
        parameters=parameters,
        method=method,
        model=model,
        dtype=dtype,
        series=series,
        axes=axes,
        channels=channels,
        fit_per=fit_per,
        channel_axis=channel_axis,
        nan=nan,
        uncertainty=errors,
        overwrite=overwrite,
        resume=resume,
    )
    check_knows_error(job)
    from n2d._surroundings import undisturbed

    return undisturbed(carry_out)(
        job,
        source,
        target,
        listed=False,
        say=_warn_at_most,
        progress=Callback(callback),
    )


def _settled(method, parameters):
    """Check a method and its parameters before anything is opened."""
    if not isinstance(method, str):
        raise TypeError(
            "method must be a name, such as 'vst-nlm', and parameters keywords, got "
            f"{type(method).__name__}; give an estimator n2d.io.read_image(...).data"
        )
    name, found = settled_method(method)
    found |= parameters
    known = plain_denoiser(name)
    if hasattr(known, "set_params"):
        known.set_params(**found)  # complains of what it does not have
    return name, found


def _warn_at_most(text, always=False):
    """Print nothing, for the notes are in what is returned; but warn of the axes."""
    if text.startswith("warning: "):
        warnings.warn(text.removeprefix("warning: "), stacklevel=5)
