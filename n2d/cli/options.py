"""Options that several commands share, and their way to the estimator's parameters."""

import math
from pathlib import Path
from typing import Annotated

import typer

from n2d._config import (
    N2D_METHODS,
    ConfigError,
    read_config,
    read_noise,
    read_seen,
)
from n2d.cli.reporting import blaming
from n2d.cli.values import (
    Channels,
    Init,
    NotANumber,
    Precision,
    Solver,
    Stack,
    Stripes,
)

SolverOption = Annotated[
    Solver,
    typer.Option(
        "--solver",
        help="paper: Noise2Detail as published, which trains on the image (slow).",
    ),
]
InitOption = Annotated[
    Init,
    typer.Option(
        "--init",
        help="random: train a network on the image; synthetic: take the one that ships "
        "with n2d; auto: that, where there is one.",
    ),
]
NoiseOption = Annotated[
    str | None,
    typer.Option(
        "--noise",
        metavar="SIGMA|FILE.json",
        help="The noise, instead of measuring it: its standard deviation in units of "
        "the image, or a file from `n2d noise --json`.  [default: measured]",
    ),
]
StrengthOption = Annotated[
    float | None,
    typer.Option(
        "--strength",
        metavar="X",
        help="Above 1 the result is smoother, below 1 it keeps more.  [default: 1]",
    ),
]
StripesOption = Annotated[
    Stripes | None,
    typer.Option(
        "--stripes",
        help="What becomes of rows and columns with offsets of their own.  "
        "[default: keep]",
    ),
]
MaxIterOption = Annotated[
    int | None,
    typer.Option(
        "--max-iter",
        metavar="N",
        min=1,
        help="With random or paper: steps of stage 1.  [default: auto]",
    ),
]
DetailMaxIterOption = Annotated[
    int | None,
    typer.Option(
        "--detail-max-iter",
        metavar="N",
        min=0,
        help="With random or paper: steps of stage 3; 0: none.  [default: auto]",
    ),
]
FactorsOption = Annotated[
    str | None,
    typer.Option(
        "--factors",
        metavar="R,R,...",
        help="With random or paper: downsampling factors of stage 2, such as 2,4, or "
        "none.  [default: auto]",
    ),
]
LearningRateOption = Annotated[
    float | None,
    typer.Option(
        "--learning-rate",
        metavar="RATE",
        help="With random or paper: highest learning rate.  [default: auto]",
    ),
]
AxesOption = Annotated[
    str | None,
    typer.Option(
        "--axes",
        metavar="LETTERS",
        help="One letter for each axis of the files, such as TCZYX: T time, C "
        "channels, Z depth, Y rows, X columns, S samples (RGB).  [default: what "
        "the file says]",
    ),
]
StackOption = Annotated[
    Stack | None,
    typer.Option(
        "--stack",
        help="What planes are to each other. Neighbours in time (T) or in depth "
        "(Z) are averaged where they show the same.  [default: what the axes say]",
    ),
]
ChannelsOption = Annotated[
    Channels,
    typer.Option(
        "--channels",
        help="Denoise the channels (C) each on its own, or with one network that "
        "sees all. Colours (S) are always together.",
    ),
]
ChannelAxisOption = Annotated[
    int | None,
    typer.Option(
        "--channel-axis",
        metavar="AXIS",
        help="The file's axis that holds channels to denoise together.  "
        "[default: what the file says]",
    ),
]
RecursiveOption = Annotated[
    bool,
    typer.Option(
        "--recursive", "-r", help="Go into folders in folders; results keep theirs."
    ),
]
SeriesOption = Annotated[
    int | None,
    typer.Option(
        "--series",
        metavar="N",
        min=0,
        help="Which image, from 0, of files that hold several different ones; without "
        "it, a message lists them.",
    ),
]
NanOption = Annotated[
    NotANumber,
    typer.Option(
        "--nan",
        help="What becomes of pixels that are NaN or infinite: refuse the file, or "
        "mask them: they take no part.",
    ),
]
CleanOption = Annotated[
    Path | None,
    typer.Option(
        "--clean",
        metavar="CLEAN",
        help="The clean image, to be compared with; it takes no part in denoising.",
    ),
]
PixelRangeOption = Annotated[
    tuple[float, float] | None,
    typer.Option(
        "--data-range",
        metavar="LOW HIGH",
        help="The smallest and largest value that the data could have, for PSNR and "
        "SSIM.  [default: those of the type for 8 bits, else the clean image's own]",
    ),
]
MappedRangeOption = Annotated[
    tuple[float, float] | None,
    typer.Option(
        "--data-range",
        metavar="LOW HIGH",
        help="The values that are mapped to 0 and 1.  [default: the smallest and the "
        "largest]",
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Method and parameters from `n2d tune`; options given here go before "
        "them.",
    ),
]
MethodOption = Annotated[
    str | None,
    typer.Option(
        "--method",
        metavar="NAME[:PARAMETER=VALUE,...]",
        help="Another denoiser, as `n2d compare` names them: vst-nlm, gaussian:blur=2. "
        "A wrong name lists all there are.  [default: n2d]",
    ),
]
SeedOption = Annotated[
    int,
    typer.Option(
        "--seed",
        metavar="N",
        min=0,
        max=2**32 - 1,
        help="The same seed gives the same result on the same processor.",
    ),
]
DeviceOption = Annotated[
    str, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1, mps.")
]
PrecisionOption = Annotated[
    Precision,
    typer.Option(
        "--precision",
        help="Compute in float32, or in bfloat16: twice as fast, and off by 0.01 "
        "deviations of the noise. auto: where the processor or GPU is made for it.",
    ),
]
JobsOption = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        "-j",
        metavar="N",
        min=1,
        help="Threads to compute with.  [default: OMP_NUM_THREADS, or the processors]",
    ),
]
ClusterOption = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="ADDRESS",
        help="A Dask scheduler, such as tcp://10.0.0.1:8786: its workers denoise what "
        "takes more than one tile. Files are read and written here.",
    ),
]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace files that exist.")
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print warnings and errors only.")
]
DebugOption = Annotated[
    bool, typer.Option("--debug", help="Show a traceback with an error.")
]


def check_data_range(data_range):
    """Refuse a range whose first number is not below the second."""
    if data_range is not None and not data_range[0] < data_range[1]:
        raise typer.BadParameter(
            f"{data_range[0]:g} is not below {data_range[1]:g}.",
            param_hint="--data-range",
        )


# Options that are called otherwise than the estimator's parameters.
_PARAMETERS = {"factors": "downsampling_factors", "seed": "random_state"}

# Say how n2d's own method is fitted, and make no sense with a model.
_OF_OWN_FIT = (
    "solver init noise strength stripes max_iter factors detail_max_iter learning_rate "
    "data_range"
).split()
OF_A_FIT = (*_OF_OWN_FIT, "seed", "fit_per", "method", "config")
# Of n2d's own method; the others have theirs after the colon of --method.
_OF_OWN_METHOD = (*_OF_OWN_FIT, "stack", "precision")


def option_of(parameter):
    """Return the option that a parameter of the estimator is given by."""
    names = {parameter: option for option, parameter in _PARAMETERS.items()}
    return f"--{names.get(parameter, parameter).replace('_', '-')}"


def were_given(context, names):
    """Return those options of a command, by their names, that the user gave."""
    return [
        name
        for name in names
        if name in context.params
        and context.get_parameter_source(name).name == "COMMANDLINE"
    ]


def check_model(context, model):
    """Refuse a model that is no file, or options about fitting beside it."""
    if model is None:
        return
    text = ""
    if not model.is_file():
        text = f"{model} is no file."
    elif given := were_given(context, OF_A_FIT):
        names = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        text = f"a model is fitted already, and {names} is about fitting."
    if text:
        raise typer.BadParameter(text, param_hint="--model")


def check_job(context, job):
    """Refuse now what would fail for every file; by default nothing can be wrong."""
    if not were_given(context, (*OF_A_FIT, "model", "device", "uncertainty")):
        return
    from n2d.files import _checks

    try:
        _checks.check_job(job)
    except _checks.OptionError as error:
        raise typer.BadParameter(
            f"{error}.", param_hint=option_of(error.option)
        ) from error


def estimator_parameters(context):
    """Turn the options of a command into arguments of `n2d.Noise2DetailDenoiser`.

    Those that were given go before those of --config, and these before the defaults.
    What is left to the estimator is not among them.
    """
    method, parameters = method_and_parameters(context)
    if method not in N2D_METHODS:
        raise typer.BadParameter(
            f"is for the method {method!r}, and this command runs "
            f"{', '.join(N2D_METHODS)} only.",
            param_hint="--config",
        )
    return parameters


def method_and_parameters(context):
    """Turn the options of a command into the name of a denoiser and its parameters."""
    found = context.params
    own = own_parameters(found)
    general = {"random_state": found["seed"], "device": found["device"]}
    given = were_given(context, found)
    method, chosen = "n2d", {}
    if found.get("config") is not None:
        with blaming("--config", ConfigError):
            method, chosen = read_config(Path(found["config"]))
    if found.get("method") is not None:
        if found.get("config") is not None:
            raise typer.BadParameter(
                "--config names a method, too; give one of the two.",
                param_hint="--method",
            )
        from n2d.files._methods import settled_method

        with blaming("--method", ValueError):
            method, chosen = settled_method(found["method"])
    if method in N2D_METHODS:
        given = {_PARAMETERS.get(name, name) for name in given}
        return method, own | {k: v for k, v in chosen.items() if k not in given}
    if unfit := [name for name in _OF_OWN_METHOD if name in given]:
        name = unfit[0]
        raise typer.BadParameter(
            f"this is an option of n2d itself; {method} has its parameters in "
            "--method NAME:PARAMETER=VALUE.",
            param_hint=f"--{name.replace('_', '-')}",
        )
    from n2d.comparison.methods import in_all_parts
    from n2d.files._methods import plain_denoiser

    return method, in_all_parts(plain_denoiser(method), general) | chosen


def seen_of(config):
    """Read how the image of a config looked; of none, nothing."""
    if config is None:
        return []
    with blaming("--config", ConfigError):
        return read_seen(config)


def own_parameters(found):
    """Turn options, by their names, into parameters of `n2d.Noise2DetailDenoiser`."""
    rate = found.get("learning_rate")
    if rate is not None and not rate > 0:
        raise typer.BadParameter(
            f"{rate} is not above 0.", param_hint="--learning-rate"
        )
    strength = found.get("strength")
    if strength is not None and not (strength > 0 and math.isfinite(strength)):
        raise typer.BadParameter(f"{strength} is not above 0.", param_hint="--strength")
    check_data_range(found.get("data_range"))
    noise, stripes = found.get("noise"), found.get("stripes")
    factors = found.get("factors")
    chosen = {
        "noise": None if noise is None else _parse_noise(noise),
        "strength": strength,
        "stripes": stripes and str(stripes),
        "max_iter": found.get("max_iter"),
        "detail_max_iter": found.get("detail_max_iter"),
        "downsampling_factors": None if factors is None else _parse_factors(factors),
        "learning_rate": rate,
        "data_range": found.get("data_range"),
        "stack": found.get("stack") and str(found["stack"]),
    }
    return {
        "solver": str(found.get("solver", "fast")),
        "init": str(found.get("init", "auto")),
        **{name: value for name, value in chosen.items() if value is not None},
        "random_state": found["seed"],
        "device": found["device"],
        "precision": str(found.get("precision", "auto")),
        "verbose": int(not found["quiet"]),
    }


def _parse_noise(text):
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
            wrong = f"{error}."
            if not Path(text).exists():
                wrong = f"{text!r} is no number, no file, and not auto."
            raise typer.BadParameter(wrong, param_hint="--noise") from error
    if not (sigma > 0 and math.isfinite(sigma)):
        raise typer.BadParameter(f"{text} is not above 0.", param_hint="--noise")
    return sigma


def _parse_factors(text):
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
