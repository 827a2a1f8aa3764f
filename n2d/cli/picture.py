"""Images side by side, with a caption each: the picture of `n2d demo`."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_GAP = 8
_CAPTION = 44
_INK = 0
_PAPER = 255


def side_by_side(panels, low, high):
    """Draw grey images in a row, all on one grey scale, with captions below.

    Parameters
    ----------
    panels : sequence of tuple of ndarray of shape (H, W) and str
        The images, all of one shape, and their captions of one or two lines.
    low, high : float
        The intensities that are drawn black and white; what is beyond is drawn like
        them.

    Returns
    -------
    ndarray of shape (height, width), uint8
        The picture.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.cli.picture import side_by_side
    >>> image = np.linspace(0, 1, 100 * 120).reshape(100, 120)
    >>> side_by_side([(image, "left"), (1 - image, "right")], 0.0, 1.0).shape
    (160, 264)
    """
    height, width = panels[0][0].shape
    size = (_GAP + len(panels) * (width + _GAP), height + _CAPTION + 2 * _GAP)
    sheet = Image.new("L", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=16)
    for i, (image, caption) in enumerate(panels):
        grey = np.clip((np.asarray(image, float) - low) / (high - low), 0, 1)
        left = _GAP + i * (width + _GAP)
        sheet.paste(Image.fromarray(np.rint(grey * 255).astype(np.uint8)), (left, _GAP))
        draw.multiline_text(
            (left + width / 2, height + 2 * _GAP),
            caption,
            fill=_INK,
            font=font,
            anchor="ma",
            align="center",
        )
    return np.asarray(sheet)
