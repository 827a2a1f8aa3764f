"""The one schema of the parameters of `Noise2DetailDenoiser`.

The estimator's constraints are generated from it (`n2d._sklearn`), model files are
checked with it, and so can be the command line's options and files of parameters.
"""

import json
import math
from numbers import Integral
from typing import Annotated, Literal, NamedTuple

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    StrictBool,
    StrictStr,
    ValidationError,
)

# Of a range of intensities: squares of it are numbers, too.
_SMALLEST_SPAN, _LARGEST_SPAN = 1e-150, 1e150
# Networks beyond have billions of weights; images are padded to a multiple of what all
# factors divide.
_MOST_CHANNELS, _LARGEST_MULTIPLE = 2**14, 2**10
# Characters of a value in a message.
_LONGEST = 200


class ExtremeError(ValueError):
    """A value that is of the right kind, but too large or too small to compute with."""


def settled_factors(factors):
    """Return `downsampling_factors` as a tuple of different integers of 2 or more.

    >>> settled_factors([2, 4])
    (2, 4)
    """
    if not all(isinstance(r, Integral) and r >= 2 for r in factors) or len(
        set(factors)
    ) != len(factors):
        raise ValueError(
            "downsampling_factors must be 'auto' or a tuple of different integers "
            f"of 2 or more, such as (2, 4), got {_shown(list(factors))}"
        )
    if math.lcm(1, *map(int, factors)) > _LARGEST_MULTIPLE:
        raise ExtremeError(
            "downsampling_factors must have a common multiple of at most "
            f"{_LARGEST_MULTIPLE}, which images are padded to a multiple of, got "
            f"{_shown(list(factors))}"
        )
    return tuple(int(r) for r in factors)


def settled_data_range(data_range):
    """Return `data_range` as two finite floats, low < high, or raise.

    >>> settled_data_range((0, 255))
    (0.0, 255.0)
    """
    try:
        low, high = map(float, data_range)
    except (TypeError, ValueError):
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(
            "data_range must be None or two finite numbers (low, high) with low < "
            f"high, got {data_range!r}"
        )
    if not _SMALLEST_SPAN <= high - low <= _LARGEST_SPAN:
        raise ExtremeError(
            f"data_range must span {_SMALLEST_SPAN:g} to {_LARGEST_SPAN:g}, got "
            f"{data_range!r}, which spans {high - low:g}"
        )
    return low, high


class InScikitLearn(NamedTuple):
    """Marks what scikit-learn has a constraint of its own for."""

    name: str


class InWords(NamedTuple):
    """What a tuple or an object of its own is called in messages."""

    text: str


class HasInPython(tuple):
    """Marks what is an object of its own in Python, with the methods that it has."""

    __slots__ = ()

    def __new__(cls, *methods):
        """Collect the names of the methods."""
        return super().__new__(cls, methods)


_Auto = Literal["auto"]
_Int = Annotated[int, Strict()]
_Float = Annotated[float, Strict(), Field(allow_inf_nan=False)]
_Factors = Annotated[
    tuple[_Int, ...],
    Field(max_length=64),
    AfterValidator(settled_factors),
    InWords("a tuple of different whole numbers of 2 or more, such as (2, 4)"),
]
_Rows = list[list[_Float]]
_Range = Annotated[
    tuple[_Float, _Float],
    AfterValidator(settled_data_range),
    InWords("two numbers (low, high)"),
]


class NoiseDescription(BaseModel):
    """The fields of a `n2d.noise.NoiseModel`, which checks their values itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    level: Annotated[_Float, Field(ge=0)]
    gain: _Float = 0.0
    offset: _Float = 0.0
    read_noise: _Float | None = None
    correlation: _Rows | None = None
    diagonals: _Rows | None = None
    place: _Rows | None = None
    shared: _Rows | None = None
    defects: dict[str, _Float | _Rows] | None = None
    spread: _Float | None = None
    curve: _Rows | None = None


_Noise = (
    Annotated[_Float, Field(gt=0)]
    # In Python, whatever has the methods of a NoiseModel.
    | Annotated[
        NoiseDescription,
        HasInPython("variance", "rescaled"),
        InWords("a NoiseModel (see n2d.noise.estimate_noise)"),
    ]
)


class Parameters(BaseModel):
    """What each parameter may be, as plain values that JSON can hold.

    A description completes "<name> must be ...". In Python the estimator takes more
    for some: any kind of integer, a RandomState.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    solver: Literal["fast", "paper"] = Field("fast", description="fast or paper")
    init: Literal["auto", "random", "synthetic"] = Field(
        "auto", description="auto, random or synthetic"
    )
    noise: (
        _Auto
        | _Noise
        | Annotated[
            tuple[_Noise, ...],
            Field(min_length=1),
            InWords("a tuple or list of these, one for every channel"),
        ]
    ) = Field(
        "auto",
        description='"auto", a number above 0, an object with the fields of a noise '
        "model, or a list of such, one for every channel",
    )
    strength: Annotated[_Float, Field(gt=0)] = Field(
        1.0, description="a number above 0"
    )
    stripes: Literal["keep", "remove"] = Field("keep", description="keep or remove")
    stack: Literal["independent", "time", "depth"] = Field(
        "independent", description="independent, time or depth"
    )
    hidden_channels: Annotated[_Int, Field(ge=1, le=_MOST_CHANNELS)] = Field(
        48, description=f"a whole number from 1 to {_MOST_CHANNELS}"
    )
    max_iter: _Auto | Annotated[_Int, Field(ge=1)] = Field(
        "auto", description='"auto" or a whole number of 1 or more'
    )
    downsampling_factors: _Auto | _Factors = Field(
        "auto",
        description='"auto" or a list of different whole numbers of 2 or more, such '
        "as [2, 4]",
    )
    detail_max_iter: _Auto | Annotated[_Int, Field(ge=0)] = Field(
        "auto", description='"auto" or a whole number of 0 or more'
    )
    learning_rate: _Auto | Annotated[_Float, Field(gt=0, le=1e30)] = Field(
        "auto", description='"auto" or a number above 0, of at most 1e30'
    )
    channel_axis: _Int | None = Field(None, description="null or a whole number")
    data_range: _Range | None = Field(
        None, description="null or two numbers, the lower first"
    )
    device: StrictStr = Field("auto", description="a text, such as cpu")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="auto, float32 or bfloat16"
    )
    random_state: Annotated[
        Annotated[_Int, Field(ge=0, lt=2**32)] | None, InScikitLearn("random_state")
    ] = Field(None, description="null or a whole number from 0 to 4294967295")
    verbose: Annotated[
        StrictBool | Annotated[_Int, Field(ge=0)], InScikitLearn("verbose")
    ] = Field(0, description="a whole number of 0 or more")


def complaint_about(name, value):
    """Say why a value, of the kinds that JSON can hold, will not do; "" where it will.

    >>> complaint_about("max_iter", 0)
    'max_iter must be "auto" or a whole number of 1 or more, not 0'
    >>> complaint_about("sharpness", 3)[:26]
    'there is no parameter shar'
    """
    if name not in Parameters.model_fields:
        known = ", ".join(Parameters.model_fields)
        return f"there is no parameter {name}; there are {known}"
    try:
        Parameters.model_validate({name: value})
    except ValidationError as error:
        found = error.errors()[0].get("ctx", {}).get("error")
        if isinstance(found, ExtremeError):
            return str(found)
        description = Parameters.model_fields[name].description
        return f"{name} must be {description}, not {_shown(value)}"
    return ""


def _shown(value):
    if isinstance(value, list):
        value = value[:_LONGEST]
    try:
        text = json.dumps(value)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
