"""What `fit` has settled, as a document and tensors, and back."""

import math

import numpy as np
import torch
from pydantic import ValidationError
from sklearn.utils import Bunch

from n2d._parameters import Parameters, complaint_about
from n2d.core.network import Correction, DenoisingNetwork
from n2d.core.prior_network import N_DIRECTIONS, N_LAGS, PriorNetwork
from n2d.core.prior_stages import PriorStages
from n2d.core.stages import TrainedStages
from n2d.fitting.intensities import Intensities
from n2d.model_file.container import ModelFileError, writer
from n2d.model_file.fields import Fields, is_number
from n2d.model_file.networks import build_network, describe_network
from n2d.noise import VERDICTS, Defects, NoiseModel, Places

_MOST_CHANNELS = 2**14
_MOST_LAGS = 64
_MOST_WAVES = 1024
_MOST_VERDICTS = 2**18
_LARGEST_ALIGNMENT = 2**14

# What noise models, defects and places are made of, besides plain numbers.
_NOISE_ARRAYS = ("diagonals", "place", "shared", "curve")
_DEFECT_SIZES = ("hot", "rows", "columns")
_PLACE_ARRAYS = ("rows", "columns", "waves", "level")


def describe(estimator):
    """Turn a fitted estimator into what a model file holds.

    Parameters
    ----------
    estimator : Noise2DetailDenoiser
        Fitted.

    Returns
    -------
    document : dict
        Parameters, attributes and what the tensors belong to; JSON can hold it.
    tensors : dict of str to ndarray
        Weights and other arrays by name.
    """
    if estimator._planes is not None:
        raise ModelFileError(
            "a model file cannot hold the noise of every single plane, and the planes "
            "that this denoiser was fitted to differ in it; save for_all_planes(), "
            "which has the noise of all, or keep it in a pickle"
        )
    intensities, stages = estimator._intensities, estimator._stages
    names = getattr(estimator, "feature_names_in_", None)
    noise = estimator.noise_
    tensors = {"loss_curve": np.array(estimator.loss_curve_, np.float64)}
    if isinstance(noise, NoiseModel):
        noise = _noise(noise, "noise", tensors)
    elif noise is not None:
        noise = _each(noise, "noise", tensors)
    told = intensities.noise
    if told is not None:
        told = _each(told, "intensities.noise", tensors)
    for name in ("rotation", "shift"):
        array = getattr(intensities, name)
        if array is not None:
            tensors[f"intensities.{name}"] = np.asarray(array, np.float64)
    networks = []
    for i, network in enumerate(estimator.networks_):
        description, weights = describe_network(network)
        networks.append(description)
        tensors |= {f"networks.{i}.{name}": t for name, t in weights.items()}
    if isinstance(stages, PriorStages):
        tensors["stages.correlation"] = stages.correlation.detach().cpu().numpy()
    document = {
        "estimator": type(estimator).__name__,
        "parameters": {
            name: _parameter(name, value)
            for name, value in estimator.get_params(deep=False).items()
        },
        "input": estimator.input_fingerprint_,
        "n_channels": int(estimator._n_channels),
        "n_features_in": getattr(estimator, "n_features_in_", None),
        "feature_names_in": None if names is None else list(names),
        "data_range": _floats(estimator.data_range_),
        "noise": noise,
        "mixture": _pairs(estimator.mixture_),
        "stop_reason": estimator.stop_reason_,
        "trust": {
            **_describe_verdict(estimator.trust_),
            "images": [_describe_verdict(image) for image in estimator.trust_.images],
            "whole": estimator.trust_.whole,
        },
        "intensities": {
            "data_range": _floats(intensities.data_range),
            "noise": told,
            "places": _describe_places(intensities.places, tensors),
        },
        "networks": networks,
        "stages": _describe_stages(stages),
    }
    return document, tensors


def _parameter(name, value):
    """Return a constructor parameter as JSON can hold it."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (tuple, list)):
        return [_parameter(name, item) for item in value]
    if isinstance(value, np.random.RandomState):
        return None
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ModelFileError(
        f"a model file cannot hold {name}={value!r}; set_params({name}=...) to a "
        "number, a text, a tuple of numbers or None"
    )


def _floats(values):
    return [float(value) for value in values]


def _pairs(weights):
    return [[int(factor), float(weight)] for factor, weight in weights.items()]


def _each(models, prefix, tensors):
    return [_noise(model, f"{prefix}.{i}", tensors) for i, model in enumerate(models)]


def _noise(model, prefix, tensors):
    """Describe a noise model, and put its arrays among the tensors."""
    arrays = [name for name in _NOISE_ARRAYS if getattr(model, name) is not None]
    tensors |= {f"{prefix}.{name}": getattr(model, name) for name in arrays}
    defects = model.defects
    if defects is not None:
        defects = {
            **{name: float(getattr(defects, name)) for name in _DEFECT_SIZES},
            "periods": [_floats(period) for period in defects.periods],
        }
    return {
        "level": model.level,
        "gain": model.gain,
        "offset": model.offset,
        "read_noise": model.read_noise,
        "correlation": model.correlation.tolist(),
        "spread": model.spread,
        "defects": defects,
        "arrays": arrays,
    }


def _describe_places(places, tensors):
    """Describe what is known of an image's places; their arrays become tensors."""
    if places is None:
        return None
    for i, of_channel in enumerate(places):
        for name in _PLACE_ARRAYS:
            array = np.asarray(getattr(of_channel, name), np.float64)
            tensors[f"intensities.places.{i}.{name}"] = array
    return {"shape": [int(n) for n in places[0].shape]}


def _describe_verdict(found):
    return {
        "verdict": found.verdict,
        "reasons": list(found.reasons),
        "figures": dict(found.figures),
    }


def _describe_stages(stages):
    if stages is None:
        return None
    if isinstance(stages, TrainedStages):
        factors = [int(factor) for factor in stages.factors]
        return {"kind": "trained", "factors": factors, "clamp": bool(stages.clamp)}
    return {
        "kind": "prior",
        "weights": _pairs(stages.weights),
        "strength": float(stages.strength),
    }


def restore(make, document, tensors):
    """Make a fitted estimator of what a model file holds.

    Parameters
    ----------
    make : callable
        The estimator's class.
    document : dict
        As read; every value of it is checked.
    tensors : dict of str to ndarray
        As read.

    Returns
    -------
    Noise2DetailDenoiser
        Fitted, on the CPU.

    Raises
    ------
    ModelFileError
        If something is missing, unknown, or does not fit; the message does not name
        the file.
    """
    fields, tensors = Fields(document), dict(tensors)
    for name in ("format", "format_version", "n2d_version"):
        fields.take(name)
    estimator = _unfitted(make, fields, document)

    n_channels = fields.integer("n_channels", 1, _MOST_CHANNELS)
    state = {"_n_channels": n_channels}
    state["input_fingerprint_"] = _input(Fields(fields.take("input"), "input"))
    state |= _features(fields)
    state["data_range_"] = fields.interval("data_range")
    state["noise_"] = fields.optional(
        "noise", lambda name: _models(fields, name, None, tensors)
    )
    if isinstance(state["noise_"], NoiseModel) and n_channels > 1:
        raise fields.wrong("noise", f"a list of {n_channels}, one for every channel")
    if isinstance(state["noise_"], tuple) and len(state["noise_"]) != n_channels:
        raise fields.wrong("noise", f"a list of {n_channels}, one for every channel")
    state["mixture_"] = fields.weights("mixture")
    factors = tuple(factor for factor in state["mixture_"] if factor > 1)
    if 1 not in state["mixture_"] or math.lcm(1, *factors) > _LARGEST_ALIGNMENT:
        raise fields.wrong("mixture", "the weights of 1 and of small factors")
    state["downsampling_factors_"] = factors
    state["stop_reason_"] = fields.text("stop_reason")
    state["trust_"] = _trust(Fields(fields.take("trust"), "trust"))

    intensities = Fields(fields.take("intensities"), "intensities")
    state["_intensities"] = _intensities(intensities, tensors, n_channels)
    state["networks_"] = _networks(fields, tensors, n_channels)
    state["_stages"] = fields.optional(
        "stages", lambda name: _stages(Fields(fields.take(name), name), tensors, state)
    )
    curve = _array(fields, tensors, "loss_curve", np.float64, ndim=1)
    if not curve.size:
        raise fields.wrong("loss_curve", "at least one value")
    state["loss_curve_"] = curve.tolist()
    state["n_iter_"] = curve.size
    fields.end()
    if tensors:
        raise fields.wrong("", f"without the tensor {min(tensors)[:80]!r}")
    vars(estimator).update(state)
    return estimator


def _unfitted(make, fields, document):
    """Make the estimator with its parameters, which a check follows."""
    if fields.text("estimator") != make.__name__:
        raise ModelFileError(
            f"holds a {document['estimator']!r}, no {make.__name__}; load it with the "
            "class that saved it"
        )
    parameters = fields.take("parameters")
    Fields(parameters, "parameters")
    unknown = parameters.keys() - make().get_params().keys()
    if unknown:
        raise ModelFileError(
            f"has a parameter {min(unknown)[:80]!r} that this n2d does not know; it "
            f"was written by {writer(document)}. Update n2d: pip install --upgrade "
            "noise2detail"
        )
    try:
        settled = Parameters.model_validate(parameters)
        torch.device("cpu" if settled.device == "auto" else settled.device)
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        raise _refused(complaint_about(name, parameters[name])) from error
    except RuntimeError as error:
        raise _refused(str(error)) from error
    return make(
        **{k: tuple(v) if isinstance(v, list) else v for k, v in parameters.items()}
    )


def _refused(reason):
    return ModelFileError(
        "holds no usable model: its parameters are refused "
        f"({' '.join(reason.split())[:200]}); fit the model again"
    )


def _input(fields):
    found = {
        "n_images": fields.integer("n_images", 1, 2**62),
        "shape": fields.optional("shape", lambda m: fields.integers(m, 1, 2**62)),
        "dtype": fields.optional("dtype", fields.text),
        "sha256": fields.text("sha256", 64),
    }
    fields.end()
    return found


def _features(fields):
    """Return what scikit-learn remembers of the columns; nothing after a list."""
    state = {}
    n_features = fields.optional(
        "n_features_in", lambda name: fields.integer(name, 1, 2**62)
    )
    if n_features is not None:
        state["n_features_in_"] = n_features
    names = fields.take("feature_names_in")
    if names is not None:
        if (
            not isinstance(names, list)
            or len(names) != n_features
            or not all(isinstance(name, str) for name in names)
        ):
            raise fields.wrong("feature_names_in", f"a list of {n_features} texts")
        state["feature_names_in_"] = np.array(names, dtype=object)
    return state


def _trust(fields):
    """Return how far the result could be trusted when it was fitted."""
    images = [
        _verdict(Fields(item, f"trust.images.{i}"))
        for i, item in enumerate(fields.each("images", 1, _MOST_VERDICTS))
    ]
    whole = fields.choice("whole", (True, False))
    return Bunch(**_verdict(fields), images=images, whole=whole)


def _verdict(fields):
    """Take the three members of a verdict, and nothing else may be left."""
    verdict = fields.choice("verdict", (*VERDICTS, None))
    reasons = fields.each("reasons", 0, 64)
    if not all(isinstance(r, str) and len(r) <= 1000 for r in reasons):
        raise fields.wrong("reasons", "short texts")
    figures = fields.take("figures")
    if (
        not isinstance(figures, dict)
        or len(figures) > 64
        or not all(map(is_number, figures.values()))
    ):
        raise fields.wrong("figures", "numbers")
    fields.end()
    return Bunch(verdict=verdict, reasons=tuple(reasons), figures=figures)


def _models(fields, member, n_channels, tensors):
    """Take noise models: a tuple, or one where no number of channels is asked for."""
    value = fields.take(member)
    where = ".".join(filter(None, (fields.name, member)))
    if isinstance(value, dict) and n_channels is None:
        return _model(Fields(value, where), tensors)
    most = n_channels or _MOST_CHANNELS
    if not isinstance(value, list) or not (n_channels or 1) <= len(value) <= most:
        raise fields.wrong(member, "a noise model for every channel")
    return tuple(
        _model(Fields(item, f"{where}.{i}"), tensors) for i, item in enumerate(value)
    )


def _model(fields, tensors):
    values = {name: fields.number(name) for name in ("level", "gain", "offset")}
    values["read_noise"] = fields.number("read_noise")
    values["spread"] = fields.optional("spread", lambda m: fields.number(m, 0.0))
    values["defects"] = fields.optional(
        "defects", lambda m: _defects(Fields(fields.take(m), f"{fields.name}.{m}"))
    )
    rows = fields.each("correlation", 2, 2)
    arrays = fields.take("arrays")
    if not isinstance(arrays, list) or arrays != [
        name for name in _NOISE_ARRAYS if name in arrays
    ]:
        raise fields.wrong("arrays", f"some of {', '.join(_NOISE_ARRAYS)}")
    fields.end()
    if not all(
        isinstance(row, list)
        and 1 <= len(row) == len(rows[0]) <= _MOST_LAGS
        and all(map(is_number, row))
        for row in rows
    ):
        raise fields.wrong("correlation", "two rows of numbers")
    for name in arrays:
        where = f"{fields.name}.{name}"
        values[name] = _array(fields, tensors, where, np.float64, ndim=2)
    try:
        return NoiseModel(**values, correlation=rows)
    except (ValueError, TypeError) as error:
        raise fields.wrong("", f"a noise model, but {error}") from error


def _defects(fields):
    sizes = {name: fields.number(name, 0.0) for name in _DEFECT_SIZES}
    periods = fields.each("periods", 0, _MOST_WAVES)
    fields.end()
    if not all(
        isinstance(period, list) and len(period) == 2 and all(map(is_number, period))
        for period in periods
    ):
        raise fields.wrong("periods", "pairs of numbers")
    return Defects(**sizes, periods=[tuple(period) for period in periods])


def _intensities(fields, tensors, n_channels):
    found = Intensities(
        fields.interval("data_range"),
        fields.optional(
            "noise", lambda name: _models(fields, name, n_channels, tensors)
        ),
        *(
            _array(fields, tensors, f"intensities.{name}", np.float64, shape=shape)
            if f"intensities.{name}" in tensors
            else None
            for name, shape in (
                ("rotation", (n_channels, n_channels)),
                ("shift", (n_channels,)),
            )
        ),
        fields.optional(
            "places",
            lambda name: _places(
                Fields(fields.take(name), f"{fields.name}.{name}"), tensors, n_channels
            ),
        ),
    )
    fields.end()
    if found.noise and len({model.correlation.shape for model in found.noise}) > 1:
        raise fields.wrong("noise", "known at the same distances for every channel")
    return found


def _places(fields, tensors, n_channels):
    """Return what is known of the places of one image, for every channel."""
    shape = fields.integers("shape", 1, 2**31)
    fields.end()
    if len(shape) != 2:
        raise fields.wrong("shape", "two whole numbers")
    found = []
    for i in range(n_channels):
        name = f"{fields.name}.{i}"
        rows, columns = (
            _array(fields, tensors, f"{name}.{lines}", np.float64, shape=(n,))
            for lines, n in zip(("rows", "columns"), shape, strict=True)
        )
        waves = _array(fields, tensors, f"{name}.waves", np.float64, ndim=2)
        if waves.shape[1] != 4 or len(waves) > _MOST_WAVES:
            raise fields.wrong(f"{i}.waves", "waves of four numbers each")
        level = _array(fields, tensors, f"{name}.level", np.float64, ndim=2)
        if not level.size or not (level > 0).all():
            raise fields.wrong(f"{i}.level", "above 0 everywhere")
        found.append(Places(shape, rows, columns, waves, level))
    return tuple(found)


def _networks(fields, tensors, n_channels):
    networks = []
    for i, item in enumerate(fields.each("networks", 1, 2)):
        prefix = f"networks.{i}."
        weights = {
            name.removeprefix(prefix): tensors.pop(name)
            for name in list(tensors)
            if name.startswith(prefix)
        }
        networks.append(
            build_network(Fields(item, f"networks.{i}"), weights, n_channels)
        )
    return tuple(networks)


def _stages(fields, tensors, state):
    """Return the stages, with the networks that have been built."""
    networks, intensities = state["networks_"], state["_intensities"]
    kinds = [type(network) for network in networks]
    if fields.choice("kind", ("trained", "prior")) == "trained":
        if kinds not in ([DenoisingNetwork], [DenoisingNetwork] * 2):
            raise fields.wrong("", "stages that fit their networks")
        factors = fields.integers("factors", 2, _LARGEST_ALIGNMENT)
        found = TrainedStages(networks, factors, fields.choice("clamp", (False, True)))
    else:
        if kinds not in ([PriorNetwork], [PriorNetwork, Correction]):
            raise fields.wrong("", "stages that fit their networks")
        if intensities.noise is None:
            raise fields.wrong("", "with the noise that the network is conditioned on")
        n_lags = intensities.noise[0].correlation.shape[1]
        if n_lags < N_LAGS:
            raise fields.wrong(
                "", f"with the noise's correlation at {N_LAGS} distances"
            )
        shape = (len(intensities.noise), N_DIRECTIONS, n_lags)
        correlation = _array(
            fields, tensors, "stages.correlation", np.float32, shape=shape
        )
        weights = fields.weights("weights")
        factors = tuple(weights)
        found = PriorStages(
            networks,
            torch.from_numpy(correlation).clone(),
            weights,
            strength=fields.number("strength", 0.0, 1e3),
        )
    if factors != state["downsampling_factors_"]:
        raise fields.wrong("", "stages of the factors that are mixed")
    fields.end()
    return found


def _array(fields, tensors, name, dtype, *, shape=None, ndim=None):
    array = tensors.pop(name, None)
    if (
        array is None
        or array.dtype != dtype
        or (shape is not None and array.shape != shape)
        or (ndim is not None and array.ndim != ndim)
    ):
        wanted = f"of shape {shape}" if shape is not None else f"with {ndim} axis"
        # The tensors' names are whole: no object is around them.
        raise Fields({}).wrong(name, f"a tensor of {np.dtype(dtype)} {wanted}")
    return array
