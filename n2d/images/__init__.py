"""Users' data become canonical images (C, h, w) and back, lazily; rounding."""

from n2d.images.arrays import Images, settle_axes
from n2d.images.filling import fill_from_around
from n2d.images.fingerprint import input_fingerprint
from n2d.images.rounding import convert

__all__ = ["Images", "convert", "fill_from_around", "input_fingerprint", "settle_axes"]
