"""Denoisers by name, with parameters, as they are given on a command line."""

import ast


def parse_methods(texts, registry, *, data_range=None, **settings):
    """Turn texts such as ``"gaussian:blur=3"`` into denoisers.

    Parameters
    ----------
    texts : list of str
        The name of a denoiser each or, after a colon, with parameters separated by
        commas: ``"n2d:max_iter=2,downsampling_factors=(2,4)"``. Values are Python's
        literals; a word without quotes is a string. One text may hold several methods,
        separated by commas.
    registry : dict of str to callable
        What makes the denoisers that there are, as `n2d.denoiser_registry` returns it.
    data_range : tuple of two floats, optional
        The (low, high) values that the data could have, for the denoisers that map and
        clamp to them as published (``solver="paper"``); the others measure theirs.
    **settings : object
        Parameters for all denoisers that have them, such as ``random_state=0``, also as
        a part of another denoiser.

    Returns
    -------
    dict of str to denoiser
        By the text they were asked for with, in the order of `texts`.

    Raises
    ------
    ValueError
        If a name is unknown, a parameter is unknown, no literal or none that the
        denoiser takes, or nothing is asked for; the message says what there is.

    Examples
    --------
    >>> from n2d import denoiser_registry
    >>> from n2d.comparison import parse_methods
    >>> texts = ["n2d,n2d:max_iter=2"]
    >>> methods = parse_methods(texts, denoiser_registry(), random_state=0)
    >>> list(methods)
    ['n2d', 'n2d:max_iter=2']
    >>> methods["n2d:max_iter=2"]
    Noise2DetailDenoiser(max_iter=2, random_state=0)
    """
    from n2d._sklearn import check_parameters

    methods = {}
    for text in texts:
        for one in split_outside_brackets(text, joined=_is_parameter):
            name, _, parameters = one.partition(":")
            if name.strip() not in registry:
                raise ValueError(
                    f"there is no method {name.strip()!r}; there are "
                    f"{', '.join(registry)}"
                )
            denoiser = registry[name.strip()]()
            known = parameters_of(denoiser)
            general = dict(settings)
            if data_range is not None and known.get("solver") == "paper":
                general["data_range"] = data_range
            own = _parse_parameters(one, parameters, known)
            if own:
                denoiser.set_params(**own)
                check_parameters(denoiser)
            if not getattr(denoiser, "takes_neighbours", False):
                general.pop("stack", None)
            chosen = in_all_parts(denoiser, general)
            if chosen:
                denoiser.set_params(**chosen | own)
            methods[one] = denoiser
    if not methods:
        raise ValueError(f"no method is named; there are {', '.join(registry)}")
    return methods


def parameters_of(denoiser):
    """Return all parameters by name; none of what is no scikit-learn estimator."""
    return denoiser.get_params() if hasattr(denoiser, "get_params") else {}


def in_all_parts(denoiser, settings):
    """Return settings as ``set_params`` takes them, for others in a denoiser, too.

    >>> from n2d import denoiser_registry
    >>> denoiser = denoiser_registry()["vst-tv"]()
    >>> in_all_parts(denoiser, {"channel_axis": 0, "device": "cpu"})
    {'channel_axis': 0, 'denoiser__channel_axis': 0}
    """
    return {
        name: settings[last]
        for name in parameters_of(denoiser)
        if (last := name.rpartition("__")[2]) in settings
    }


def split_outside_brackets(text, *, joined=None):
    """Split a text at its commas, but not within brackets or quotes.

    Parameters
    ----------
    text : str
        Such as ``"(2,4),()"``.
    joined : callable, optional
        Takes the part before and the part after a comma, and tells whether they belong
        together nevertheless.

    Returns
    -------
    list of str
        The parts that are not empty, without blanks around them.

    Raises
    ------
    ValueError
        If a bracket or a quote is left open.

    Examples
    --------
    >>> from n2d.comparison.methods import split_outside_brackets
    >>> split_outside_brackets("(2,4), (), 'a,b'")
    ['(2,4)', '()', "'a,b'"]
    """
    parts, depth, quote = [""], 0, ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        else:
            depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0 and not quote:
            parts.append("")
        else:
            parts[-1] += character
    if depth or quote:
        raise ValueError(f"{text!r} has a bracket or a quote without its other half")
    whole = []
    for part in filter(None, map(str.strip, parts)):
        if joined is not None and whole and joined(whole[-1], part):
            whole[-1] += f",{part}"
        else:
            whole.append(part)
    return whole


def parse_value(text):
    """Read a Python literal, or a word without quotes as a string.

    Parameters
    ----------
    text : str
        Such as ``"3"``, ``"(2, 4)"``, ``"None"`` or ``"auto"``.

    Returns
    -------
    object
        Its value.

    Raises
    ------
    ValueError
        If it is neither.

    Examples
    --------
    >>> from n2d.comparison.methods import parse_value
    >>> parse_value("(2, 4)"), parse_value("auto"), parse_value("1e-3")
    ((2, 4), 'auto', 0.001)
    """
    text = text.strip()
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):  # brackets
        if text.replace("-", "_").replace(":", "_").replace(".", "_").isidentifier():
            return text
        raise ValueError(
            f"{text!r} is no value: write a number, a word, or a tuple such as (2,4)"
        ) from None


def _is_parameter(before, after):
    """Whether a part goes on with the parameters of the method before it."""
    name, equals, _ = after.partition("=")
    return bool(equals) and ":" in before and name.strip().isidentifier()


def _parse_parameters(method, text, known):
    """Read ``a=1,b=(2,4)``, and refuse what the method does not have."""
    parameters = {}
    for part in split_outside_brackets(text):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise ValueError(
                f"{method!r}: write NAME:PARAMETER=VALUE,PARAMETER=VALUE, got {part!r}"
            )
        if name not in known:
            raise ValueError(
                f"{method!r}: there is no parameter {name!r}; there are "
                f"{', '.join(sorted(known))}"
            )
        parameters[name] = parse_value(value)
    return parameters
