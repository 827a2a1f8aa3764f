"""What a user's program has set for NumPy's errors, kept away from the noise."""

import functools

import numpy as np


def undisturbed(function):
    """Decorate a function so that errors raised on underflow do not reach it."""

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        with np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"):
            return function(*args, **kwargs)

    return wrapped
