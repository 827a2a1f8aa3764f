"""Noise that is told, not measured: one model for every channel, in JSON too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from n2d.noise.model import N_LAGS, NoiseModel
from n2d.noise.written import fields_of, is_number, model_of_fields


def noise_to_json(noise):
    """Turn noise that is told into what JSON can hold.

    Parameters
    ----------
    noise : str, float, NoiseModel or sequence of these
        As the parameter `noise` of `n2d.Noise2DetailDenoiser`.

    Returns
    -------
    object
        A text, a number, a dict with the fields of a model that are not as by default,
        or a list of these.

    Examples
    --------
    >>> from n2d.noise import NoiseModel, noise_to_json
    >>> noise_to_json([NoiseModel(2.0, gain=0.5), 3])
    [{'level': 2.0, 'gain': 0.5}, 3]
    """
    if isinstance(noise, np.generic):
        return noise.item()
    if isinstance(noise, (tuple, list)):
        return [noise_to_json(one) for one in noise]
    return fields_of(noise) if isinstance(noise, NoiseModel) else noise


def noise_from_json(value):
    """Turn what JSON holds into noise that can be told.

    Parameters
    ----------
    value : object
        As `noise_to_json` gives it. Of a model only the level has to be there.

    Returns
    -------
    str, float, NoiseModel or tuple of these
        As the parameter `noise` of `n2d.Noise2DetailDenoiser`.

    Raises
    ------
    ValueError
        If it is no such thing; the message names the field.

    Examples
    --------
    >>> from n2d.noise import noise_from_json
    >>> noise_from_json({"level": 2, "gain": 0.5}).variance(10).item()
    5.0
    >>> noise_from_json(12.5)
    12.5
    """
    if isinstance(value, list):
        return tuple(noise_from_json(one) for one in value)
    if value == "auto" or is_number(value):
        return value
    if not isinstance(value, Mapping):
        raise ValueError(
            "noise must be a number, an object with the fields of a noise model, or a "
            f"list of these, not {json.dumps(value)[:80]}"
        )
    return model_of_fields(NoiseModel, value)


def models_of_channels(noise, n_channels):
    """Settle what is told about the noise: a model for every channel.

    Parameters
    ----------
    noise : float, NoiseModel or sequence of these
        One for all channels, or one for each. A number is the deviation of white noise.
    n_channels : int
        How many channels there are.

    Returns
    -------
    tuple of NoiseModel
        All with correlation at the same distances.

    Raises
    ------
    TypeError
        If an entry is neither a number nor a model.
    ValueError
        If there is not one for every channel, or a number is not above 0.

    Examples
    --------
    >>> from n2d.noise.told import models_of_channels
    >>> [model.level for model in models_of_channels(3, 2)]
    [3.0, 3.0]
    """
    told = list(noise) if isinstance(noise, (tuple, list)) else [noise] * n_channels
    if len(told) != n_channels:
        raise ValueError(
            f"noise has {len(told)} models, one for every channel, but the images have "
            f"{n_channels} channel{'s' * (n_channels > 1)}"
        )
    models = []
    for one in told:
        if is_number(one):
            if not (one > 0 and np.isfinite(one)):
                raise ValueError(f"noise must be a finite number above 0, got {one!r}")
            one = NoiseModel(level=float(one))
        if not isinstance(one, NoiseModel):
            raise TypeError(
                "noise must be 'auto', a number above 0, a NoiseModel, or one of these "
                f"for every channel, got {one!r}"
            )
        if one.shared is not None and one.shared.shape != (n_channels, n_channels):
            raise ValueError(
                f"noise says how {len(one.shared)} channels share it (shared), but the "
                f"images have {n_channels}"
            )
        models.append(one)
    n_lags = max(N_LAGS, *(model.correlation.shape[1] for model in models))
    return tuple(_with_lags(model, n_lags) for model in models)


def _with_lags(model, n_lags):
    missing = n_lags - model.correlation.shape[1]
    if not missing:
        return model
    return replace(model, correlation=np.pad(model.correlation, [(0, 0), (0, missing)]))
