"""What `fit` has measured and judged, as parts of a document and tensors, and back."""

import numpy as np
from sklearn.utils import Bunch

from n2d.model_file.fields import Fields, is_number
from n2d.noise import VERDICTS, Defects, NoiseModel, Places

MOST_CHANNELS = 2**14
_MOST_LAGS = 64
_MOST_WAVES = 1024
_MOST_VERDICTS = 2**18

# What noise models, defects and places are made of, besides plain numbers.
_NOISE_ARRAYS = ("diagonals", "place", "shared", "curve")
_DEFECT_SIZES = ("hot", "rows", "columns")
_PLACE_ARRAYS = ("rows", "columns", "waves", "level")


def floats(values):
    """Turn numbers into what JSON can hold."""
    return [float(value) for value in values]


def describe_noises(models, prefix, tensors):
    """Describe noise models; their arrays are put among the tensors, by a prefix."""
    return [
        describe_noise(model, f"{prefix}.{i}", tensors)
        for i, model in enumerate(models)
    ]


def describe_noise(model, prefix, tensors):
    """Describe all of a noise model; its arrays go to the tensors, by a prefix."""
    arrays = [name for name in _NOISE_ARRAYS if getattr(model, name) is not None]
    tensors |= {f"{prefix}.{name}": getattr(model, name) for name in arrays}
    defects = model.defects
    if defects is not None:
        defects = {
            **{name: float(getattr(defects, name)) for name in _DEFECT_SIZES},
            "periods": [floats(period) for period in defects.periods],
            "stuck": [floats(each) for each in defects.stuck],
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


def describe_places(places, tensors):
    """Describe what is known of an image's places; their arrays become tensors."""
    if places is None:
        return None
    for i, of_channel in enumerate(places):
        for name in _PLACE_ARRAYS:
            array = np.asarray(getattr(of_channel, name), np.float64)
            tensors[f"intensities.places.{i}.{name}"] = array
    return {
        "shape": [int(n) for n in places[0].shape],
        "stripes": [[*map(bool, one.stripes), bool(one.hum)] for one in places],
    }


def describe_trust(trust):
    """Describe ``trust_``."""
    return {
        **_describe_verdict(trust),
        "images": [_describe_verdict(image) for image in trust.images],
        "whole": trust.whole,
    }


def _describe_verdict(found):
    return {
        "verdict": found.verdict,
        "reasons": list(found.reasons),
        "figures": dict(found.figures),
    }


def restore_noises(fields, member, n_channels, tensors):
    """Take noise models: a tuple, or one where no number of channels is asked for.

    What is taken of the tensors is removed.
    """
    value = fields.take(member)
    where = ".".join(filter(None, (fields.name, member)))
    if isinstance(value, dict) and n_channels is None:
        return _model(Fields(value, where), tensors)
    most = n_channels or MOST_CHANNELS
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
        values[name] = restore_array(tensors, where, np.float64, ndim=2)
    try:
        return NoiseModel(**values, correlation=rows)
    except (ValueError, TypeError) as error:
        raise fields.wrong("", f"a noise model, but {error}") from error


def _defects(fields):
    sizes = {name: fields.number(name, 0.0) for name in _DEFECT_SIZES}
    periods = _tuples(fields, "periods", 2)
    stuck = _tuples(fields, "stuck", 3)
    fields.end()
    return Defects(**sizes, periods=periods, stuck=stuck)


def _tuples(fields, member, length):
    """Take a list of tuples of so many floats."""
    items = fields.each(member, 0, _MOST_WAVES)
    if not all(
        isinstance(item, list) and len(item) == length and all(map(is_number, item))
        for item in items
    ):
        raise fields.wrong(member, f"lists of {length} numbers")
    return [tuple(item) for item in items]


def restore_places(fields, tensors, n_channels):
    """Return what is known of the places of one image, channel by channel."""
    shape = fields.integers("shape", 1, 2**31)
    stripes = fields.take("stripes")
    fields.end()
    if not (
        isinstance(stripes, list)
        and len(stripes) == n_channels
        and all(
            isinstance(truths, list) and [type(t) for t in truths] == [bool] * 3
            for truths in stripes
        )
    ):
        raise fields.wrong("stripes", "three truths for every channel")
    if len(shape) != 2:
        raise fields.wrong("shape", "two whole numbers")
    found = []
    for i in range(n_channels):
        name = f"{fields.name}.{i}"
        rows, columns = (
            restore_array(tensors, f"{name}.{lines}", np.float64, shape=(n,))
            for lines, n in zip(("rows", "columns"), shape, strict=True)
        )
        waves = restore_array(tensors, f"{name}.waves", np.float64, ndim=2)
        if waves.shape[1] != 4 or len(waves) > _MOST_WAVES:
            raise fields.wrong(f"{i}.waves", "waves of four numbers each")
        level = restore_array(tensors, f"{name}.level", np.float64, ndim=2)
        if not level.size or not (level > 0).all():
            raise fields.wrong(f"{i}.level", "above 0 everywhere")
        found.append(
            Places(
                shape,
                rows,
                columns,
                waves,
                level,
                stripes=tuple(stripes[i][:2]),
                hum=stripes[i][2],
            )
        )
    return tuple(found)


def restore_trust(fields):
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


def restore_array(tensors, name, dtype, *, shape=None, ndim=None):
    """Take a tensor that has to be there, of this type, shape or number of axes."""
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
