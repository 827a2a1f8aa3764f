"""ZS-N2N: the first stage of Noise2Detail alone."""

from n2d._base import ImageDenoiser
from n2d._sklearn import fit_context
from n2d._surroundings import undisturbed
from n2d.denoiser import Noise2DetailDenoiser
from n2d.images import Images

_PARAMETERS = (
    "solver",
    "hidden_channels",
    "max_iter",
    "learning_rate",
    "channel_axis",
    "data_range",
    "device",
    "random_state",
    "verbose",
)


class ZSN2NDenoiser(ImageDenoiser):
    """Denoise images by Zero-Shot Noise2Noise, the predecessor of Noise2Detail.

    A tiny network, started from random weights, learns on the noisy image alone to
    predict one of two half-size images from the other [1]_. It is stage 1 of
    `n2d.Noise2DetailDenoiser`, without background refinement and detail recovery.

    Parameters
    ----------
    solver : {"fast", "paper"}, default="fast"
        ``"paper"`` trains on the whole image and clamps the result to `data_range`;
        ``"fast"`` trains on crops and clips nothing.
    hidden_channels : int, default=48
        Channels of the network's hidden layers.
    max_iter : int or "auto", default="auto"
        Steps of the optimizer. ``"auto"``: 2,000 with ``solver="paper"``, else 400.
    learning_rate : float or "auto", default="auto"
        Highest learning rate of Adam. ``"auto"``: 1e-3 with ``solver="paper"``,
        3e-3 with ``"fast"``.
    channel_axis : int or None, default=None
        Axis of the images' channels in X; None for grey images. Never guessed.
    data_range : tuple of two floats or None, default=None
        The (low, high) values that are mapped to 0 and 1, once for all images. None:
        the smallest and largest value that `fit` sees.
    device : str, default="auto"
        ``"cpu"``, ``"cuda"``, ``"mps"``, ..., or ``"auto"`` for the fastest there is.
    random_state : int, RandomState instance or None, default=None
        Seed of the weights and the crops; None gives new ones each time.
    verbose : int, default=0
        With 1 or more, `fit` shows a progress bar on stderr.

    Attributes
    ----------
    denoiser_ : Noise2DetailDenoiser
        The fitted first stage.
    n_iter_ : int
        Steps that `fit` took.
    loss_curve_ : list of float
        The loss before every step.
    n_features_in_ : int
        Length of the second axis of X in `fit`; later inputs may have any size.

    See Also
    --------
    n2d.Noise2DetailDenoiser : All three stages.
    n2d.denoiser_registry : All denoisers by name.

    Notes
    -----
    The steps and the learning rate of ``"paper"`` are those of Noise2Detail's first
    stage. Any real dtype is accepted; the result has dtype
    ``np.result_type(X.dtype, np.float32)`` and the units of X.

    References
    ----------
    .. [1] Y. Mansour, R. Heckel, "Zero-Shot Noise2Noise: Efficient image denoising
       without any data", CVPR 2023, :doi:`10.1109/CVPR52729.2023.01347`

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.baselines import ZSN2NDenoiser
    >>> rng = np.random.default_rng(0)
    >>> clean = np.tile(np.linspace(0, 200, 64), (64, 1))
    >>> noisy = clean + rng.normal(0, 20, clean.shape)
    >>> denoiser = ZSN2NDenoiser(max_iter=200, random_state=0)
    >>> denoised = denoiser.fit_transform(noisy)
    >>> bool(np.std(denoised - clean) < np.std(noisy - clean) / 2)
    True
    """

    _parameter_constraints = {  # noqa: RUF012
        name: Noise2DetailDenoiser._parameter_constraints[name] for name in _PARAMETERS
    }

    def __init__(
        self,
        *,
        solver="fast",
        hidden_channels=48,
        max_iter="auto",
        learning_rate="auto",
        channel_axis=None,
        data_range=None,
        device="auto",
        random_state=None,
        verbose=0,
    ):
        self.solver = solver
        self.hidden_channels = hidden_channels
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.channel_axis = channel_axis
        self.data_range = data_range
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    @undisturbed
    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, *, callback=None):
        """Learn to denoise from the noisy images themselves.

        Parameters
        ----------
        X : array-like, or list of array-likes
            As for `n2d.Noise2DetailDenoiser.fit`.
        y : None
            Ignored.
        callback : callable, optional
            Called after every step with an `n2d.core.progress.Progress`. Returning
            True cancels.

        Returns
        -------
        ZSN2NDenoiser
            The fitted estimator.

        Raises
        ------
        TypeError, ValueError
            If a parameter or X is unsuitable; the message names it.
        n2d.core.progress.Cancelled
            If `callback` returned True. The estimator stays as it was.
        n2d.core.training.TrainingDiverged
            If the loss became infinite or NaN. The estimator stays as it was.
        """
        denoiser = Noise2DetailDenoiser(
            init="random",
            downsampling_factors=(),
            detail_max_iter=0,
            **{name: getattr(self, name) for name in _PARAMETERS},
        )
        # What the result is wrapped in is settled by this estimator alone.
        denoiser.set_output(transform="default")
        denoiser.fit(X, callback=callback)
        self._remember(X, Images(X, self.channel_axis))
        self.denoiser_ = denoiser
        self.n_iter_ = denoiser.n_iter_
        self.loss_curve_ = denoiser.loss_curve_
        return self

    @undisturbed
    def transform(self, X):
        """Denoise images with what `fit` has learned.

        Parameters
        ----------
        X : array-like, or list of array-likes
            As for `fit`; other sizes are fine, other numbers of channels are not.

        Returns
        -------
        ndarray, or list of ndarray
            Denoised, of the shape of X and dtype
            ``np.result_type(X.dtype, np.float32)``.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If `fit` has not been called.
        TypeError, ValueError
            If X is unsuitable; the message names what is wrong.
        """
        self._images_to_transform(X)
        return self.denoiser_.transform(X)
