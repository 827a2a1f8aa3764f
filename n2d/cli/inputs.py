"""Which images a command takes up: one, or those of a folder, with or without truth."""

from n2d.cli.data_range import settle_data_range
from n2d.cli.loading import load_image
from n2d.comparison import Case
from n2d.comparison.cases import paired_files, why_unread
from n2d.io import SUFFIXES, is_image


class InputError(ValueError):
    """The images a user names cannot be used together.

    Parameters
    ----------
    message : str
        What is wrong, and what to do.
    option : str
        The argument or option that is to blame.
    """

    def __init__(self, message, option):
        super().__init__(message)
        self.option = option


def find_images(image, clean=None):
    """Find the images that a path stands for, and their clean versions.

    Parameters
    ----------
    image : Path
        A file, a folder of image files, or a folder with a subfolder ``noisy`` of
        them, and one called ``clean`` if there are clean ones.
    clean : Path, optional
        A file for a file; a folder for a folder, with files of the same names.

    Returns
    -------
    dict of str to tuple of Path
        The noisy and the clean file (or None) by their name without extension.

    Raises
    ------
    InputError
        If there is no image, or `clean` does not fit.
    """
    if not image.exists():
        raise InputError(f"{image} does not exist", "IMAGE")
    if clean is not None and not clean.exists():
        raise InputError(f"{clean} does not exist", "--clean")
    if clean is not None and _is_folder(clean) != _is_folder(image):
        kinds = {True: "a folder", False: "a file"}
        raise InputError(
            f"{clean} is {kinds[_is_folder(clean)]}, but IMAGE is "
            f"{kinds[_is_folder(image)]}; give two files or two folders",
            "--clean",
        )
    if not _is_folder(image):
        return {image.stem: (image, clean)}
    folder = image
    if (image / "noisy").is_dir():
        folder = image / "noisy"
        if clean is None and (image / "clean").is_dir():
            clean = image / "clean"
    try:
        files = paired_files(folder, clean, suffixes=SUFFIXES)
    except FileNotFoundError as error:
        raise InputError(str(error), "--clean") from error
    except ValueError as error:
        raise InputError(f"{error}; rename one", "IMAGE") from error
    if not files:
        raise InputError(f"{folder} has no {', '.join(SUFFIXES)} file", "IMAGE")
    return files


def _is_folder(path):
    """Whether a path is a folder of images; a Zarr is a folder, and one image."""
    return path.is_dir() and not is_image(path)


def read_case(name, path, clean_path, *, channel_axis, data_range):
    """Read an image, with its clean version if there is one, as a case to compare on.

    Parameters
    ----------
    name : str
        Name of the case.
    path : Path
        The noisy image.
    clean_path : Path or None
        Its clean version.
    channel_axis : int or None
        The axis of the files' arrays that holds channels; None: what they say.
    data_range : tuple of two floats or None
        The (low, high) values that the data could have; None: those of an integer type.

    Returns
    -------
    case : Case
        What is to be denoised.
    data_range : tuple of two floats or None
        As settled.
    notes : list of str
        What a user should know.

    Raises
    ------
    OSError, ValueError
        If a file cannot be read, or they do not fit together.
    """
    loaded = load_image(path, channel_axis)
    notes = [f"{path}: {loaded.description}"]
    notes += [f"note: {path}: {note}" for note in loaded.file.notes]
    data_range, origin = settle_data_range(loaded.X.dtype, data_range)
    truth = None
    if clean_path is not None:
        truth = load_image(clean_path, channel_axis).X
        if data_range is None:
            raise ValueError(f"PSNR and SSIM need a data range: {origin}")
    if data_range is not None:
        low, high = data_range
        notes.append(f"{path}: data range {low:g} to {high:g} ({origin})")
    case = Case(
        name,
        loaded.X,
        truth,
        data_range=None if data_range is None else data_range[1] - data_range[0],
        channel_axis=loaded.channel_axis,
    )
    return case, data_range, notes


def unread_case(name, path, error):
    """Return what stands for an image that cannot be used, so that others go on.

    Parameters
    ----------
    name : str
        Name of the case.
    path : Path
        The noisy image.
    error : Exception
        What `read_case` raised.

    Returns
    -------
    Case
        With the error as the result of every denoiser.
    """
    return Case(name, None, error=why_unread(error, path))
