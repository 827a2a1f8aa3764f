"""What a user's program has set for NumPy's errors, kept away from the package."""

import functools

import numpy as np


def usual_errors():
    """Return a context in which NumPy treats errors as it does by default.

    Underflow is none: what is next to nothing may become 0.
    """
    return np.errstate(divide="warn", over="warn", under="ignore", invalid="warn")


def with_usual_errors(function):
    """Decorate a function so that it is called in the context of `usual_errors`."""

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        with usual_errors():
            return function(*args, **kwargs)

    return wrapped
