"""Images side by side, with a caption each: the picture of `n2d demo`."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_GAP = 12
_CAPTION = 56
_FONT_SIZE = 20
_SMALLEST_PANEL = 384
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
        The picture; small images are enlarged by a whole number.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.cli.picture import side_by_side
    >>> image = np.linspace(0, 1, 200 * 400).reshape(200, 400)
    >>> side_by_side([(image, "left"), (1 - image, "right")], 0.0, 1.0).shape
    (280, 836)
    """
    zoom = -(-_SMALLEST_PANEL // panels[0][0].shape[1])
    height, width = (zoom * side for side in panels[0][0].shape)
    size = (_GAP + len(panels) * (width + _GAP), height + _CAPTION + 2 * _GAP)
    sheet = Image.new("L", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=_FONT_SIZE)
    for i, (image, caption) in enumerate(panels):
        grey = np.clip((np.asarray(image, float) - low) / (high - low), 0, 1)
        grey = np.rint(grey * 255).astype(np.uint8)
        panel = Image.fromarray(grey.repeat(zoom, axis=0).repeat(zoom, axis=1))
        left = _GAP + i * (width + _GAP)
        sheet.paste(panel, (left, _GAP))
        draw.multiline_text(
            (left + width / 2, height + 2 * _GAP),
            caption,
            fill=_INK,
            font=font,
            anchor="ma",
            align="center",
        )
    return np.asarray(sheet)
