"""What `fit` has settled, as a document and tensors, and back."""

import math

import numpy as np
import torch
from pydantic import ValidationError

from n2d._parameters import Parameters, complaint_about
from n2d.core.network import Correction, DenoisingNetwork
from n2d.core.prior_network import N_DIRECTIONS, N_LAGS, PriorNetwork
from n2d.core.prior_stages import PriorStages
from n2d.core.stages import TrainedStages
from n2d.fitting.intensities import Intensities
from n2d.model_file.container import ModelFileError, writer
from n2d.model_file.fields import Fields
from n2d.model_file.measured import (
    MOST_CHANNELS,
    describe_noise,
    describe_noises,
    describe_places,
    describe_trust,
    floats,
    restore_array,
    restore_noises,
    restore_places,
    restore_trust,
)
from n2d.model_file.networks import build_network, describe_network
from n2d.noise import NoiseModel, noise_from_json, noise_to_json
from n2d.noise.told import models_of_channels

_LARGEST_ALIGNMENT = 2**14
# Sides of the image that a model is tried on.
_SMALLEST_PROBE, _LARGEST_PROBE = 16, 64


def describe(estimator):
    """Turn a fitted estimator into what a model file holds, a document and tensors."""
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
        noise = describe_noise(noise, "noise", tensors)
    elif noise is not None:
        noise = describe_noises(noise, "noise", tensors)
    told = intensities.noise
    if told is not None:
        told = describe_noises(told, "intensities.noise", tensors)
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
        "data_range": floats(estimator.data_range_),
        "noise": noise,
        "mixture": _pairs(estimator.mixture_),
        "stop_reason": estimator.stop_reason_,
        "trust": describe_trust(estimator.trust_),
        "intensities": {
            "data_range": floats(intensities.data_range),
            "noise": told,
            "places": describe_places(intensities.places, tensors),
            **_describe_channels(intensities),
        },
        "networks": networks,
        "stages": _describe_stages(stages),
    }
    return document, tensors


def _describe_channels(intensities):
    """Return which channels have noise, where others have none."""
    if intensities.channels is None:
        return {}
    return {"channels": [int(c) for c in intensities.channels]}


def _parameter(name, value):
    """Return a constructor parameter as JSON can hold it."""
    value = noise_to_json(value) if name == "noise" else value
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, dict):
        return value
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


def _pairs(weights):
    return [[int(factor), float(weight)] for factor, weight in weights.items()]


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
        "told": bool(stages.told),
    }


def restore(make, document, tensors):
    """Make a fitted estimator, on the CPU, of what a model file holds.

    Every value of the document is checked. Errors do not name the file.
    """
    fields, tensors = Fields(document), dict(tensors)
    for name in ("format", "format_version", "n2d_version"):
        fields.take(name)
    estimator = _unfitted(make, fields, document)

    n_channels = fields.integer("n_channels", 1, MOST_CHANNELS)
    state = {"_n_channels": n_channels}
    state["input_fingerprint_"] = _input(Fields(fields.take("input"), "input"))
    state |= _features(fields)
    state["data_range_"] = fields.interval("data_range")
    state["noise_"] = fields.optional(
        "noise", lambda name: restore_noises(fields, name, None, tensors)
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
    state["trust_"] = restore_trust(Fields(fields.take("trust"), "trust"))

    intensities = Fields(fields.take("intensities"), "intensities")
    state["_intensities"] = _intensities(intensities, tensors, n_channels)
    channels = state["_intensities"].channels or range(n_channels)
    state["networks_"] = _networks(fields, tensors, len(channels))
    state["_stages"] = fields.optional(
        "stages", lambda name: _stages(Fields(fields.take(name), name), tensors, state)
    )
    curve = restore_array(tensors, "loss_curve", np.float64, ndim=1)
    if not curve.size:
        raise fields.wrong("loss_curve", "at least one value")
    state["loss_curve_"] = curve.tolist()
    state["n_iter_"] = curve.size
    state["_planes"] = None
    fields.end()
    if tensors:
        raise fields.wrong("", f"without the tensor {min(tensors)[:80]!r}")
    _refuse_not_finite(state["_stages"], state["_intensities"], n_channels)
    vars(estimator).update(state)
    return estimator


def _refuse_not_finite(stages, intensities, n_channels):
    """Raise where finite weights make something else than numbers of an image."""
    if stages is None or stages.alignment > _LARGEST_PROBE:
        return  # a larger one is checked when it is used, tile by tile
    side = max(stages.alignment, _SMALLEST_PROBE)
    n_channels = len(intensities.channels or range(n_channels))
    noisy = np.random.default_rng(0).random((n_channels, side, side))
    values = intensities.data_range[0] + intensities.span * noisy
    intensities = intensities.of_shape((0, 0))
    try:
        with np.errstate(all="ignore"):
            seen = torch.from_numpy(intensities.forward(values))
            found = stages.estimates(seen[None]).stage3[0].numpy()
            is_finite = np.isfinite(intensities.backward(found)).all()
    except ArithmeticError:  # of Python's numbers
        is_finite = False
    if not is_finite:
        raise ModelFileError(
            "holds no usable model: its numbers make NaN or infinity of an image; fit "
            "the model again"
        )


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
    try:
        noise = noise_from_json(parameters.get("noise", "auto"))
        if isinstance(noise, tuple):
            models_of_channels(noise, len(noise))
    except (TypeError, ValueError) as error:
        raise _refused(str(error)) from error
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in parameters.items()}
    return make(**values | {"noise": noise})


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
        "contrast": fields.optional("contrast", fields.number),
        "detail": fields.optional("detail", fields.interval),
        "bright_to_dark": fields.optional("bright_to_dark", fields.number),
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


def _intensities(fields, tensors, n_channels):
    channels = None
    if fields.has("channels"):
        channels = fields.integers("channels", 0, n_channels - 1, most=n_channels)
        if not 0 < len(channels) < n_channels or sorted(set(channels)) != [*channels]:
            raise fields.wrong("channels", "some channels, in order")
        n_channels = len(channels)
    found = Intensities(
        fields.interval("data_range"),
        fields.optional(
            "noise", lambda name: restore_noises(fields, name, n_channels, tensors)
        ),
        *(
            restore_array(tensors, f"intensities.{name}", np.float64, shape=shape)
            if f"intensities.{name}" in tensors
            else None
            for name, shape in (
                ("rotation", (n_channels, n_channels)),
                ("shift", (n_channels,)),
            )
        ),
        fields.optional(
            "places",
            lambda name: restore_places(
                Fields(fields.take(name), f"{fields.name}.{name}"), tensors, n_channels
            ),
        ),
        channels,
    )
    fields.end()
    if found.noise and len({model.correlation.shape for model in found.noise}) > 1:
        raise fields.wrong("noise", "known at the same distances for every channel")
    return found


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
        weights = fields.weights("weights")
        factors = tuple(weights)
        known = tensors.get("stages.correlation")
        if list(weights.values()) == [1.0] and np.ndim(known) == 3:
            # Where pixels were repeated, distances are, too.
            if known.shape[2] == factors[0] * n_lags:
                n_lags *= factors[0]
        shape = (len(intensities.noise), N_DIRECTIONS, n_lags)
        correlation = restore_array(
            tensors, "stages.correlation", np.float32, shape=shape
        )
        found = PriorStages(
            networks,
            torch.from_numpy(correlation).clone(),
            weights,
            strength=fields.number("strength", 0.0, 1e3),
            told=fields.choice("told", (False, True)),
        )
    if factors != state["downsampling_factors_"]:
        raise fields.wrong("", "stages of the factors that are mixed")
    fields.end()
    return found
