"""A picture of a comparison: same grey limits, an enlarged part, what was removed."""

import math
import re

import numpy as np

from n2d._masked import read_unmasked
from n2d.metrics import psnr, ssim

_COLUMN_INCHES = 2.4
_LETTERS = 30  # that fit above a column
# Leaves single hot or dead pixels out of the grey limits.
_PERCENTILES = (0.1, 99.9)
# Of the residuals' sizes: what is beyond is noise at its strongest, and the rest, where
# lost detail would show, shall not be pale.
_RESIDUAL_PERCENTILE = 99
_BLOCK_GAP = 0.04


def plot_comparison(
    noisy,
    estimates,
    clean=None,
    *,
    data_range=None,
    channel_axis=None,
    limits=None,
    inset=None,
    titles=None,
    columns=6,
):
    """Draw a noisy image, what denoisers made of it, and the clean one if there is one.

    Three rows: the whole image, an enlarged part, and what was removed from the noisy
    image; three more below them where there are more images than columns. All images
    share their grey limits, all residuals theirs, so that what looks different is
    different. A good residual looks like noise: structure in it is detail lost.

    Parameters
    ----------
    noisy : ndarray of shape (H, W), or with three axes and a `channel_axis`
        The noisy image.
    estimates : dict of str to ndarray
        Denoised images by the names of what made them, in the shape of `noisy`.
    clean : ndarray, optional
        The truth, in the shape of `noisy`.
    data_range : float, optional
        Distance between the smallest and the largest value that the data could have,
        such as 255 for 8-bit images; with it and `clean`, PSNR and SSIM are shown.
    channel_axis : int or None, default=None
        Axis of the channels; None for grey images. Three channels are drawn as red,
        green and blue, any other number as their mean.
    limits : tuple of two floats, optional
        The values drawn black and white. By default percentiles 0.1 and 99.9 of the
        clean image, or of the first estimate without one.
    inset : tuple of four ints, optional
        The part to enlarge: top, left, height, width in pixels. By default the quarter
        of each side where the clean image, or else the first estimate, varies most.
    titles : dict of str to str, optional
        A line to add below the name of an estimate.
    columns : int, default=6
        How many images are side by side, at most.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with ``savefig``; notebooks show it. No global state of Matplotlib is
        used, so there is nothing to close.

    Raises
    ------
    ImportError
        If Matplotlib, of the extra ``plot``, is not installed.
    ValueError
        If shapes differ, `noisy` is not one image, the part to enlarge lies outside, or
        `columns` is below 1.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.comparison import plot_comparison
    >>> from scipy.ndimage import gaussian_filter
    >>> noisy = np.random.default_rng(0).normal(100, 10, (64, 64))
    >>> figure = plot_comparison(  # doctest: +SKIP
    ...     noisy, {"Gaussian filter": gaussian_filter(noisy, 2)}
    ... )
    >>> figure.savefig("comparison.png")  # doctest: +SKIP
    """
    figure_class, rectangle = _matplotlib()
    if not estimates:
        raise ValueError("estimates is empty: give at least one denoised image")
    if columns < 1:
        raise ValueError(f"columns must be 1 or more, got {columns!r}")
    images = {"noisy": noisy} | dict(estimates)
    if clean is not None:
        images["clean"] = clean
    images = {
        name: _drawable(image, np.shape(noisy), channel_axis, name)
        for name, image in images.items()
    }
    best = images["clean" if clean is not None else next(iter(estimates))]
    low, high = np.percentile(best, _PERCENTILES) if limits is None else limits
    top, left, height, width = _inset(best, inset)
    residuals = {
        name: _grey(images["noisy"] - image)
        for name, image in images.items()
        if name != "noisy"
    }
    largest = max(
        np.percentile(abs(r), _RESIDUAL_PERCENTILE) for r in residuals.values()
    )

    side_ratio = best.shape[0] / best.shape[1]
    n_blocks = math.ceil(len(images) / columns)
    columns = math.ceil(len(images) / n_blocks)  # no nearly empty last block
    figure = figure_class(
        figsize=(
            _COLUMN_INCHES * columns,
            (_COLUMN_INCHES * 3 * side_ratio + 0.8) * n_blocks,
        ),
        layout="constrained",
    )
    places = []
    for block in figure.subfigures(n_blocks, 1, squeeze=False, hspace=_BLOCK_GAP).flat:
        axes = block.subplots(3, columns, squeeze=False)
        for ax in axes.flat:
            ax.set_axis_off()
        places += list(axes.T)
    for (name, image), column in zip(images.items(), places, strict=False):
        title = [_wrapped(name)]
        if clean is not None and data_range is not None and name != "clean":
            original = noisy if name == "noisy" else estimates[name]
            title.append(_quality(clean, original, data_range, channel_axis))
        if titles and name in titles:
            title.append(titles[name])
        column[0].set_title("\n".join(title), fontsize=9)
        part = image[top : top + height, left : left + width]
        for ax, shown in ((column[0], image), (column[1], part)):
            ax.imshow(_scaled(shown, low, high), cmap="gray", vmin=0, vmax=1)
        column[0].add_patch(
            rectangle(
                (left - 0.5, top - 0.5), width, height, fill=False, color="tab:orange"
            )
        )
        if name in residuals:
            column[2].imshow(
                residuals[name], cmap="gray", vmin=-largest or -1, vmax=largest or 1
            )
            title = _wrapped(f"noisy \N{MINUS SIGN} {name}")
            column[2].set_title(title, fontsize=9)
        else:
            # What is black and white belongs to a picture that one can judge.
            scales = [
                f"images\n{low:.4g} to {high:.4g}",
                f"residuals\n\N{PLUS-MINUS SIGN}{largest:.3g}",
            ]
            if clean is not None and data_range is not None:
                scales.append(f"PSNR and SSIM\nfor a range of {data_range:g}")
            column[2].text(
                0.5,
                0.5,
                "\n\n".join(scales),
                ha="center",
                va="center",
                fontsize=9,
                transform=column[2].transAxes,
            )
    return figure


def _matplotlib():
    try:
        from matplotlib.figure import Figure
        from matplotlib.patches import Rectangle
    except ImportError as error:
        raise ImportError(
            "plot_comparison needs Matplotlib: pip install 'noise2detail[plot]'"
        ) from error
    return Figure, Rectangle


def _drawable(image, shape, channel_axis, name):
    """Return (H, W) or (H, W, 3), as float64 in the unit of the image."""
    image = read_unmasked(image, name)
    if image.shape != shape:
        raise ValueError(f"{name!r} has shape {image.shape}, but noisy has {shape}")
    if image.ndim != (2 if channel_axis is None else 3):
        raise ValueError(
            f"noisy must be one image, (H, W), or three axes with a channel_axis, got "
            f"shape {shape} and channel_axis={channel_axis}; choose one of a stack"
        )
    image = image.astype(np.float64)
    if channel_axis is None:
        return image
    image = np.moveaxis(image, channel_axis, -1)
    return image if image.shape[-1] == 3 else image.mean(axis=-1)


def _grey(image):
    return image if image.ndim == 2 else image.mean(axis=-1)


def _scaled(image, low, high):
    """Map the limits to 0 and 1, for the screen."""
    return np.clip((image - low) / ((high - low) or 1), 0, 1)


def _inset(image, inset):
    """Return the part to enlarge: the one asked for, or that with the most variance."""
    rows, columns = image.shape[:2]
    if inset is not None:
        top, left, height, width = inset
        if not (
            0 <= top < top + height <= rows and 0 <= left < left + width <= columns
        ):
            raise ValueError(
                f"inset={inset!r} is no part (top, left, height, width) of an image of "
                f"{rows} x {columns} pixels"
            )
        return inset
    height, width = max(1, rows // 4), max(1, columns // 4)
    candidates = [
        (top, left)
        for top in range(0, rows - height + 1, max(1, height // 2))
        for left in range(0, columns - width + 1, max(1, width // 2))
    ]
    grey = _grey(image)
    top, left = max(
        candidates, key=lambda c: grey[c[0] : c[0] + height, c[1] : c[1] + width].var()
    )
    return top, left, height, width


def _wrapped(name):
    """Break a name with many parameters at its commas and colons."""
    lines = [""]
    for part in re.findall(r"[^,:]+[,:]*|[,:]+", name):
        if lines[-1] and len(lines[-1] + part) > _LETTERS:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def _quality(clean, estimate, data_range, channel_axis):
    decibels = psnr(clean, estimate, data_range)
    similarity = ssim(clean, estimate, data_range, channel_axis)
    return f"{decibels:.2f} dB, SSIM {similarity:.3f}"
