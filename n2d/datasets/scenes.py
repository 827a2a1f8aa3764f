"""Clean scenes of many kinds, drawn at random, for learning what images look like."""

import numpy as np
from scipy import ndimage

from n2d.datasets._anatomy import anatomy, layers
from n2d.datasets._bodies import smooth_bodies, vessels
from n2d.datasets._electron import surface, thin_section
from n2d.datasets._lattices import lattices
from n2d.datasets._leaves import dead_leaves, line_scan, power_law
from n2d.datasets._micro import fluorescence, sparse, tissue
from n2d.datasets._photo import landscape, objects, page, street, texture, vegetation
from n2d.datasets._simple import simple

# kind -> (painter, how often `training_scene` draws it)
_KINDS = {
    "dead leaves": (dead_leaves, 0.05),
    "objects": (objects, 0.11),
    "street": (street, 0.06),
    "vegetation": (vegetation, 0.04),
    "landscape": (landscape, 0.04),
    "texture": (texture, 0.07),
    "page": (page, 0.03),
    "fluorescence": (fluorescence, 0.26),
    "sparse": (sparse, 0.04),
    "lattices": (lattices, 0.06),
    "thin section": (thin_section, 0.04),
    "surface": (surface, 0.04),
    "tissue": (tissue, 0.03),
    "anatomy": (anatomy, 0.03),
    "layers": (layers, 0.01),
    "smooth bodies": (smooth_bodies, 0.02),
    "vessels": (vessels, 0.01),
    "power law": (power_law, 0.01),
    "line scan": (line_scan, 0.01),
    "simple": (simple, 0.04),
}

# kinds whose ground is dark: never inverted
_DARK = ("fluorescence", "sparse")

# kinds in which a few pixels may be all there is: their lights are not clipped
_FEW = ("sparse", "simple")

SCENE_KINDS = tuple(_KINDS)


def training_scene(shape=(256, 256), *, kind=None, rng=None):
    """Generate one clean scene to learn denoising from.

    No photograph, measured statistic or other real data enters: shapes, textures
    and their mixtures are drawn from distributions written down in this package.

    Parameters
    ----------
    shape : (int, int), default=(256, 256)
        Rows and columns, at least 64 each.
    kind : str, optional
        One of `SCENE_KINDS`; by default drawn at random: fluorescence-like scenes
        (30 %), photograph-like ones (40 %), lattices, electron micrographs, tissue,
        anatomy, and a few with next to nothing in them, where nothing is to be
        invented.
    rng : None, int or numpy.random.Generator, default=None
        Source of randomness; an int gives the same scene each time.

    Returns
    -------
    scene : ndarray of float32, shape `shape`
        Values from 0 to 1.

    Raises
    ------
    ValueError
        If `kind` is unknown or `shape` too small.

    Examples
    --------
    >>> from n2d.datasets import training_scene
    >>> scene = training_scene((128, 128), kind="vessels", rng=0)
    >>> float(scene.min()), float(scene.max())
    (0.0, 1.0)
    """
    if len(shape) != 2 or min(shape) < 64:
        raise ValueError(f"shape must be at least 64 x 64, got {shape!r}")
    if kind is not None and kind not in _KINDS:
        raise ValueError(f"kind must be one of {', '.join(SCENE_KINDS)}, got {kind!r}")
    rng = np.random.default_rng(rng)
    if kind is None:
        chances = np.array([chance for _, chance in _KINDS.values()])
        kind = SCENE_KINDS[rng.choice(len(chances), p=chances / chances.sum())]
    image = np.asarray(_KINDS[kind][0](tuple(shape), rng), float)
    image = _tone(image, kind, rng)
    low, high = image.min(), image.max()
    return ((image - low) / max(high - low, 1e-12)).astype(np.float32)


def _tone(image, kind, rng):
    """Contrast curve, inversion, defocus: what lies between a scene and its numbers."""
    low, high = np.percentile(image, [0, 99.95])
    if kind in _FEW:
        high = max(high, low + 0.77 * (image.max() - low))
    image = np.clip((image - low) / max(high - low, 1e-12), 0, 1.3)
    gammas = [1, 1, 0.5, 0.7] if kind in _DARK else [1, 1, 0.6, 1.6]
    image = image ** rng.choice(gammas)
    if kind not in _DARK and rng.uniform() < 0.4:
        image = 1 - image
    if rng.uniform() < 0.05:
        image = ndimage.gaussian_filter(image, rng.uniform(1, 4))
    return image
