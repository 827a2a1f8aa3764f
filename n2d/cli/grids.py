"""What `n2d tune` searches: grids, by default and as they are given."""

import json

from n2d._config import N2D_METHODS, NOT_TUNABLE

# Up to a dozen settings, which take a minute for 512 x 512 pixels. Where the parameters
# of a denoiser are in the units of the image (sigma of BM3D) there is no default.
_DEFAULTS = {
    "n2d": {"strength": [1.0, 0.6, 0.8, 1.25, 1.6, 2.0]},
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
    """Return what is searched for a denoiser where the user does not say."""
    inner = method.removeprefix("vst-")
    if inner not in _DEFAULTS:
        raise ValueError(
            f"{method} has no default grid; say what to search, such as --grid "
            "sigma=5,10,20"
        )
    from n2d.baselines import denoiser_registry

    prefix = "denoiser__" if inner != method else ""
    known = denoiser_registry()[method]().get_params()
    grid = {f"{prefix}{name}": values for name, values in _DEFAULTS[inner].items()}
    # The default first: it stays where nothing is better for certain.
    return {
        name: list(dict.fromkeys([known[name], *values]))
        if known[name] in values or not isinstance(known[name], str)
        else values
        for name, values in grid.items()
    }


def parse_grid(texts, method, known):
    """Read a grid from texts such as ``detail_max_iter=0,100``, a parameter each."""
    from n2d.comparison.methods import parse_value, split_outside_brackets

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
    from n2d._parameters import complaint_about

    complaint = complaint_about(name, value) if method in N2D_METHODS else ""
    if not complaint:
        try:
            json.dumps(value)
        except TypeError:
            complaint = f"{name}={value!r} cannot be written to a file"
    if complaint:
        raise ValueError(complaint)
