"""What ImageJ's description of a TIFF says: units of each axis, labels, calibration."""

from n2d.io._units import unit_name

# ImageJ's numbers of functions from stored numbers to values: a line, and none.
_LINE, _NONE = 0, 20


def units(described, default):
    """Return the unit of each axis; "" for those without.

    Parameters
    ----------
    described : dict
        ImageJ's description, by tifffile.
    default : str
        The unit of lengths that the tags of the resolution say, or "".

    Returns
    -------
    dict of str to str
        For "X", "Y", "Z" and "T". Only where a unit is not that of X, or not seconds,
        ImageJ has a name of its own for it.
    """
    of_x = unit_name(_text(described.get("unit"))) or default
    return {
        "X": of_x,
        "Y": unit_name(_text(described.get("yunit"))) or of_x,
        "Z": unit_name(_text(described.get("zunit"))) or of_x,
        "T": unit_name(_text(described.get("tunit"))) or "second",
    }


def sizes(described, axes, units):
    """Return the distance of planes along Z and T, with units.

    Parameters
    ----------
    described : dict
        ImageJ's description, by tifffile.
    axes : str
        Letters of the axes that there are.
    units : dict of str to str
        The unit of each axis.

    Returns
    -------
    dict of str to tuple of float and str
        As `n2d.io.ImageFile` has it.
    """
    found = {}
    for letter, key in (("Z", "spacing"), ("T", "finterval")):
        value = described.get(key)
        if letter in axes and isinstance(value, (int, float)) and value > 0:
            found[letter] = (float(value), units[letter])
    return found


def channel_names(described, axes, shape):
    """Return ImageJ's labels of slices where they are labels of channels."""
    labels = described.get("Labels")
    if "C" not in axes or not isinstance(labels, list):
        return ()
    n_channels = shape[axes.index("C")]
    # One for each plane: channels vary fastest.
    names = [str(label) for label in labels[:n_channels]]
    alike = len(labels) % n_channels == 0 and labels == names * (
        len(labels) // n_channels
    )
    return tuple(names) if alike and len(names) == n_channels else ()


def calibration_note(described):
    """Return what a user should know of a calibration, or None where there is none.

    Parameters
    ----------
    described : dict
        ImageJ's description, by tifffile.

    Returns
    -------
    str or None
        Stored numbers are denoised, and TIFF keeps what they stand for.
    """
    function = described.get("cf", _NONE)
    if function == _NONE:
        return None
    text = f"function {function} of ImageJ"
    if function == _LINE:
        intercept, slope = described.get("c0", 0), described.get("c1", 1)
        if (intercept, slope) == (0, 1):
            return None
        text = f"value = {intercept} + {slope} x number"
    return (
        f"its calibration ({text}) is not applied, and kept in TIFF: these are the "
        "stored numbers"
    )


def _text(value):
    """Return a unit that tifffile took for text; numbers are none."""
    return value if isinstance(value, str) else None
