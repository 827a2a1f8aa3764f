"""The denoiser that does nothing: what every other one is compared with."""

from n2d.baselines._classical import ClassicalDenoiser


class IdentityDenoiser(ClassicalDenoiser):
    """Return images as they are.

    Parameters
    ----------
    channel_axis : int or None, default=None
        Axis of the images' channels in X; None for grey images. Never guessed.

    Attributes
    ----------
    n_features_in_ : int
        Length of the second axis of X in `fit`; later inputs may have any size.

    See Also
    --------
    n2d.denoiser_registry : All denoisers by name.

    Examples
    --------
    >>> from n2d.baselines import IdentityDenoiser
    >>> IdentityDenoiser().fit_transform([[1, 2], [3, 4]])
    array([[1., 2.],
           [3., 4.]])
    """

    def __init__(self, *, channel_axis=None):
        self.channel_axis = channel_axis

    def _settle(self, windows):
        return {}

    def _denoise(self, values):
        return values
