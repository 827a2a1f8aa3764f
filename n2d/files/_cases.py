"""Which images a command takes up: one, or those of a folder, with or without truth."""

import numpy as np

from n2d.comparison import Case
from n2d.comparison.cases import paired_files, why_unread
from n2d.files._gaps import gaps_of, plane_of, planes_to_learn_from
from n2d.files._plan import plan_of
from n2d.files._targets import expand_inputs, is_folder_of_images
from n2d.files._words import count, describe_file
from n2d.io import SUFFIXES, is_image, name_in, read_image


class InputError(ValueError):
    """The images a user names cannot be used together; `option` is to blame."""

    def __init__(self, message, option):
        super().__init__(message)
        self.option = option


def find_images(image, clean, say):
    """Find the images that a path stands for, (noisy, clean or None) by their names.

    It is a file, a folder of images, or one with a subfolder ``noisy`` of them, and one
    called ``clean`` if there are clean ones. `say` takes a line about files that are
    left out.
    """
    if not image.exists():
        raise InputError(f"{image} does not exist", "IMAGE")
    if clean is not None and not clean.exists():
        raise InputError(f"{clean} does not exist", "--clean")
    if clean is not None and is_folder_of_images(clean) != is_folder_of_images(image):
        kinds = {True: "a folder", False: "a file"}
        raise InputError(
            f"{clean} is {kinds[is_folder_of_images(clean)]}, but IMAGE is "
            f"{kinds[is_folder_of_images(image)]}; give two files or two folders",
            "--clean",
        )
    if not is_folder_of_images(image):
        return {name_in(image)[0]: (image, clean)}
    folder = image
    if (image / "noisy").is_dir():
        folder = image / "noisy"
        if clean is None and (image / "clean").is_dir():
            clean = image / "clean"
    try:
        files = paired_files(folder, clean, accepts=is_image)
    except FileNotFoundError as error:
        raise InputError(str(error), "--clean") from error
    except ValueError as error:
        raise InputError(f"{error}; rename one", "IMAGE") from error
    if not files:
        raise InputError(f"{folder} has no {', '.join(SUFFIXES)} file", "IMAGE")
    for line in expand_inputs([folder]).lines():
        say(f"note: {line}")
    return files


def read_cases(
    name, path, clean_path, *, data_range, series=None, nan="refuse", **options
):
    """Read an image, with its clean version if there is one, as cases to compare on.

    Where the file takes several fits, each is a case, NAME-c0, NAME-c1 and so on;
    `options` are for `n2d.files._plan.plan_of`. Without a `data_range` of its own it is
    that of an 8-bit type, which denoisers may know, else that of the clean image.
    Returns the cases, what denoisers may know of the range, and what a user should
    know.
    """
    image = read_image(path, series)
    plan = plan_of(image, **options)
    notes = [f"{path}: {describe_file(image, plan.axes)}"]
    notes += [f"{path}: {plan.description}"]
    notes += [f"note: {path}: {note}" for note in image.notes]
    notes += [f"warning: {path}: {text}" for text in plan.cautions]
    data_range, origin = settle_data_range(image.data.dtype, data_range)
    gaps = gaps_of(image, plan, nan)
    noisy = _images(image, plan, gaps)
    truth, judged = [None] * len(noisy), data_range
    if clean_path is not None:
        clean = read_image(clean_path)
        alike = clean.data.shape == image.data.shape
        truth = _images(clean, plan if alike else plan_of(clean, **options), gaps)
        if len(truth) != len(noisy):
            raise ValueError(
                f"{clean_path} has {count(len(truth), 'channel')}, {path} {len(noisy)}"
            )
        if judged is None:
            judged, origin = _own_range(clean.data), "the clean image's own"
        low, high = judged
        notes.append(f"{path}: PSNR and SSIM for {low:g} to {high:g} ({origin})")
    axis = plan.channel_axis
    cases = [
        Case(
            name if len(noisy) == 1 else f"{name}-c{number}",
            of_fit,
            clean_of_fit,
            data_range=None if judged is None else judged[1] - judged[0],
            channel_axis=None if axis is None else axis + plan.is_series,
            stack=plan.stack,
        )
        for number, (of_fit, clean_of_fit) in enumerate(zip(noisy, truth, strict=True))
    ]
    return cases, data_range, notes


def _images(image, plan, gaps):
    """Return what each fit of a file sees: one image, or a stack along axis 0.

    Where the noisy image has no intensity its clean version is filled as it is.
    """
    if gaps is not None:
        gaps = gaps.in_other(image.data)
    return [
        np.stack([plane_of(image.data, gaps, p.key)[...] for p in learned])
        if plan.is_series
        else plane_of(image.data, gaps, learned[0].key)[...]
        for learned in (
            # Neighbours one after another.
            sorted(planes_to_learn_from(planes, gaps), key=lambda plane: plane.run)
            for planes in plan.fits
        )
    ]


def how_it_looks(case):
    """Look at a case as at what a config was found on."""
    from n2d._suits import look_at
    from n2d.images import Images

    return look_at(Images(case.noisy, case.channel_axis))


def unread_case(name, path, error):
    """Return a case with an error for every denoiser, so that other images go on."""
    return Case(name, None, error=why_unread(error, path))


def _own_range(clean):
    """The smallest and the largest value of a clean image."""
    values = np.asarray(clean)
    low, high = float(values.min()), float(values.max())
    if not low < high:
        raise ValueError(
            "PSNR and SSIM need a data range, and the clean image is constant; give "
            "--data-range"
        )
    return low, high


def settle_data_range(dtype, given=None):
    """Return the smallest and the largest value data could have, or None, and why.

    What the user says goes before the type. Floating point says nothing, nor do
    integers of more than 8 bits: cameras hardly ever use all 16.

    >>> import numpy as np
    >>> settle_data_range(np.uint8)
    ((0.0, 255.0), 'all that uint8 can hold')
    >>> settle_data_range(np.uint16)
    (None, '')
    >>> settle_data_range(np.float32, (0.0, 1.0))
    ((0.0, 1.0), '--data-range')
    """
    dtype = np.dtype(dtype)
    if given is not None:
        return tuple(given), "--data-range"
    if dtype.kind == "b":
        return (0.0, 1.0), "all that bool can hold"
    if dtype.kind in "ui" and dtype.itemsize == 1:
        limits = np.iinfo(dtype)
        return (float(limits.min), float(limits.max)), f"all that {dtype} can hold"
    return None, ""
