"""What is written for --noise and --factors, as values."""

import math
from pathlib import Path

import typer

from n2d._config import ConfigError, read_noise


def parsed_noise(text):
    """Read `--noise`: a number, the name of a file, or "auto", which is None."""
    if text.strip().lower() == "auto":
        return None
    try:
        sigma = float(text)
    except ValueError:
        sigma = None
    if sigma is None:
        try:
            return read_noise(Path(text))
        except ConfigError as error:
            raise typer.BadParameter(f"{error}.", param_hint="--noise") from error
    if not (sigma > 0 and math.isfinite(sigma)):
        raise typer.BadParameter(f"{text} is not above 0.", param_hint="--noise")
    return sigma


def parsed_factors(text):
    """Read `--factors`: numbers, "none", which is (), or "auto", which is None."""
    if text.strip().lower() == "auto":
        return None
    if text.strip().lower() in ("", "none"):
        return ()
    from n2d._parameters import settled_factors

    try:
        return settled_factors([int(part) for part in text.split(",")])
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is no list of different whole numbers of 2 or more; write, for "
            "example, 2,4, or none to switch stage 2 off.",
            param_hint="--factors",
        ) from error
