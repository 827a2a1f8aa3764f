"""What `n2d tune` searches: defaults for the denoisers, and grids as they are given."""

import json

from n2d.cli.config import N2D_METHODS, NOT_TUNABLE, complaint_about
from n2d.comparison.methods import parse_value, split_outside_brackets

# Up to a dozen settings, which take a minute for 512 x 512 pixels. Where the parameters
# of a denoiser are in the units of the image (sigma of BM3D) there is no default.
_DEFAULTS = {
    # The learned start settles its few rounds (max_iter) by itself.
    "n2d": {
        "downsampling_factors": [(), (2, 4)],
        "detail_max_iter": [0, 100, 400],
    },
    "n2d-random": {
        "max_iter": [100, 400],
        "downsampling_factors": [(), (2, 4)],
        "detail_max_iter": [0, 200],
    },
    "nlm": {"strength": [0.6, 0.8, 1.0, 1.2], "patch_size": [5, 7]},
    "wavelet": {"wavelet": ["db2", "sym4"], "method": ["BayesShrink", "VisuShrink"]},
    "tv": {"strength": [0.5, 0.7, 1.0, 1.4, 2.0]},
    "bilateral": {"strength": [1.0, 2.0, 3.0], "blur": [1.0, 1.8, 3.0]},
    "gaussian": {"blur": [0.5, 0.7, 1.0, 1.4, 2.0, 2.8]},
    "median": {"size": [3, 5, 7]},
    "zs-n2n": {"max_iter": [100, 200, 400]},
}


def default_grid(method):
    """Return what is searched for a denoiser where the user does not say.

    Parameters
    ----------
    method : str
        Its name in `n2d.denoiser_registry`.

    Returns
    -------
    dict of str to list
        Values by parameter.

    Raises
    ------
    ValueError
        If the denoiser has no parameters that are obvious to search.

    Examples
    --------
    >>> from n2d.cli.grids import default_grid
    >>> default_grid("vst-tv")
    {'denoiser__strength': [0.5, 0.7, 1.0, 1.4, 2.0]}
    """
    inner = method.removeprefix("vst-")
    if inner not in _DEFAULTS:
        raise ValueError(
            f"{method} has no default grid; say what to search, such as --grid "
            "sigma=5,10,20"
        )
    prefix = "denoiser__" if inner != method else ""
    return {f"{prefix}{name}": values for name, values in _DEFAULTS[inner].items()}


def parse_grid(texts, method, known):
    """Read a grid from texts such as ``"detail_max_iter=0,100,400"``.

    Parameters
    ----------
    texts : list of str
        A parameter and its values each; a tuple is in brackets: ``"(2,4),()"``.
    method : str
        Name of the denoiser in `n2d.denoiser_registry`.
    known : collection of str
        The denoiser's parameters.

    Returns
    -------
    dict of str to list
        Values by parameter.

    Raises
    ------
    ValueError
        If a parameter is unknown, given twice or not to be searched, or a value makes
        no sense.

    Examples
    --------
    >>> from n2d.cli.grids import parse_grid
    >>> parse_grid(["blur=1,2.5"], "gaussian", ["blur", "sigma"])
    {'blur': [1, 2.5]}
    """
    grid = {}
    allowed = sorted(
        name
        for name in known
        if name.rpartition("__")[2] not in NOT_TUNABLE and name != "denoiser"
    )
    for text in texts:
        name, equals, values = (part.strip() for part in text.partition("="))
        if not equals:
            raise ValueError(f"write PARAMETER=VALUE,VALUE,..., got {text!r}")
        if name not in allowed:
            raise ValueError(
                f"{method} has no parameter {name!r} to search; there are "
                f"{', '.join(allowed)}"
            )
        if name in grid:
            raise ValueError(f"{name} is given twice; give all its values at once")
        grid[name] = [parse_value(value) for value in split_outside_brackets(values)]
        if not grid[name]:
            raise ValueError(f"{name} has no values: write {name}=VALUE,VALUE,...")
        for value in grid[name]:
            _check(name, value, method)
    return grid


def _check(name, value, method):
    """Raise now what would be raised in the middle, or at the end, of the search."""
    complaint = complaint_about(name, value) if method in N2D_METHODS else ""
    if not complaint:
        try:
            json.dumps(value)
        except TypeError:
            complaint = f"{name}={value!r} cannot be written to a file"
    if complaint:
        raise ValueError(complaint)
