"""What users give as the size of a scene."""

import operator


def checked_shape(shape):
    """Return (rows, columns) as two integers of at least 1, or say what is wrong."""
    try:
        height, width = (operator.index(n) for n in shape)
    except (TypeError, ValueError):
        raise TypeError(
            f"shape must be two integers, (rows, columns), got {shape!r}"
        ) from None
    if min(height, width) < 1:
        raise ValueError(f"shape must be at least 1 x 1, got {shape!r}")
    return height, width


def checked_count(count, name, least=1):
    """Return a number of things as an integer, or say what is wrong with it."""
    try:
        number = operator.index(count)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {count!r}") from None
    if number < least:
        raise ValueError(f"{name} must be at least {least}, got {count!r}")
    return number
