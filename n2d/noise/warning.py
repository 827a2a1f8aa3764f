"""The warning that a result is not to be trusted."""


class NoiseWarning(UserWarning):
    """The noise was not understood well enough to trust a result."""
