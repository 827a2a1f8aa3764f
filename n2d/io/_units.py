"""Units of length and time as the formats write them, and by one name each."""

# By the names of OME-Zarr: the symbols of OME-XML, and what ImageJ writes.
_SYMBOLS = {
    "angstrom": ("Å", "Angstrom", "A"),
    "nanometer": ("nm", "nanometre"),
    "micrometer": ("µm", "μm", "um", "micron", "microns", "\\u00B5m", "micrometre"),
    "millimeter": ("mm", "millimetre"),
    "centimeter": ("cm", "centimetre"),
    "meter": ("m", "metre"),
    "inch": ("in", '"', "inches"),
    "pixel": ("pixel", "pixels", "px"),
    "nanosecond": ("ns",),
    "microsecond": ("µs", "us"),
    "millisecond": ("ms", "msec"),
    "second": ("s", "sec", "seconds"),
    "minute": ("min", "minutes"),
    "hour": ("h", "hr", "hours"),
    "day": ("d", "days"),
}
_NAMES = {
    symbol: name for name, symbols in _SYMBOLS.items() for symbol in (name, *symbols)
}
_METERS = {
    "angstrom": 1e-10,
    "nanometer": 1e-9,
    "micrometer": 1e-6,
    "millimeter": 1e-3,
    "centimeter": 1e-2,
    "meter": 1.0,
    "inch": 0.0254,
}
_SECONDS = {
    "nanosecond": 1e-9,
    "microsecond": 1e-6,
    "millisecond": 1e-3,
    "second": 1.0,
    "minute": 60.0,
    "hour": 3600.0,
    "day": 86400.0,
}


def unit_name(text):
    """Return the one name of a unit, such as "micrometer" for "µm"; "" for None.

    >>> unit_name("um"), unit_name("micron"), unit_name("furlong"), unit_name(None)
    ('micrometer', 'micrometer', 'furlong', '')
    """
    return _NAMES.get(text, text) or ""


def unit_symbol(name):
    """Return the symbol of a unit, as OME-XML has it: "µm" for "micrometer"."""
    return _SYMBOLS[name][0] if name in _SYMBOLS else name


def convert_unit(value, unit, wanted):
    """Return a value in another unit, as `unit_name` calls it; None if impossible.

    >>> round(convert_unit(0.5, "micrometer", "nanometer"))
    500
    >>> convert_unit(1, "second", "meter") is None
    True
    """
    if unit == wanted:
        return value
    for table in (_METERS, _SECONDS):
        if unit in table and wanted in table:
            return value * table[unit] / table[wanted]
    return None
