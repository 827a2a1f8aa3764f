"""Files in words, for a terminal."""

import math

import numpy as np

from n2d._memory import in_words


def count(n, noun):
    """Return "1 plane" or "2 planes"."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def in_one_line(error):
    """Return the message of an exception without line breaks."""
    return " ".join(str(error).split())


def describe_file(image, axes):
    """Return what a file holds as one line: shape, type, axes, size, pixel size."""
    shape, dtype = image.data.shape, np.dtype(image.data.dtype)
    text = f"{' x '.join(map(str, shape))}, {dtype}"
    if axes != "YX":
        text += f", axes {axes}"
    n_bytes = math.prod(shape) * dtype.itemsize
    text += f", {in_words(n_bytes)}"
    if size := describe_pixel_size(image.pixel_size):
        text += f"; {size}"
    if image.channel_names:
        text += f"; channels {', '.join(image.channel_names)}"
    return text


def describe_pixel_size(pixel_size):
    """Return text such as "pixel 0.1 x 0.1 micrometer (Y x X)", or ""."""
    spatial = [letter for letter in "ZYX" if letter in pixel_size]
    parts = []
    if spatial:
        units = list(dict.fromkeys(pixel_size[letter][1] for letter in spatial))
        if len(units) == 1:
            values = " x ".join(f"{pixel_size[letter][0]:.6g}" for letter in spatial)
            values = f"{values} {units[0]}".strip()
        else:
            values = " x ".join(
                f"{pixel_size[letter][0]:.6g} {pixel_size[letter][1]}".strip()
                for letter in spatial
            )
        parts.append(f"pixel {values} ({' x '.join(spatial)})")
    if "T" in pixel_size:
        value, unit = pixel_size["T"]
        parts.append(f"every {value:.6g} {unit}".strip())
    return ", ".join(parts)
