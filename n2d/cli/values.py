"""What options of the command line may be."""

from enum import StrEnum


class Solver(StrEnum):
    """What `--solver` may be."""

    fast = "fast"
    paper = "paper"


class Init(StrEnum):
    """What `--init` may be."""

    auto = "auto"
    random = "random"
    synthetic = "synthetic"


class Precision(StrEnum):
    """What `--precision` may be."""

    auto = "auto"
    float32 = "float32"
    bfloat16 = "bfloat16"


class Channels(StrEnum):
    """What `--channels` may be."""

    independent = "independent"
    together = "together"


class NotANumber(StrEnum):
    """What `--nan` may be."""

    refuse = "refuse"
    mask = "mask"


class Stack(StrEnum):
    """What `--stack` may be."""

    independent = "independent"
    time = "time"
    depth = "depth"


class Stripes(StrEnum):
    """What `--stripes` may be."""

    keep = "keep"
    remove = "remove"


class FitPer(StrEnum):
    """What `--fit-per` may be."""

    plane = "plane"
    channel = "channel"
    file = "file"
