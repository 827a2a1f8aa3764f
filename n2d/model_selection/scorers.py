"""Scorers by name, for `scoring=` of scikit-learn's searches and cross-validation."""

from functools import partial

import numpy as np

from n2d import metrics
from n2d.images import Images
from n2d.model_selection.score import channel_axis_of, self_supervised_score


def _neg_mean_squared_error(clean, estimate, data_range):
    return -float(np.mean((clean - estimate) ** 2))


# Of one image (C, H, W) each.
_MEASURES = {
    "psnr": metrics.psnr,
    "ssim": partial(metrics.ssim, channel_axis=0),
    "neg_mean_squared_error": _neg_mean_squared_error,
    "scale_invariant_psnr": metrics.scale_invariant_psnr,
    "micro_ssim": partial(metrics.micro_ssim, channel_axis=0),
}
_NEED_A_RANGE = {"psnr", "ssim"}
_WITHOUT_CLEAN = "self_supervised"


def get_scorer_names():
    """List the names that `get_scorer` knows.

    Returns
    -------
    list of str
        In alphabetical order.

    Examples
    --------
    >>> from n2d.model_selection import get_scorer_names
    >>> get_scorer_names()
    ['micro_ssim', 'neg_mean_squared_error', 'psnr', 'scale_invariant_psnr',
     'self_supervised', 'ssim']
    """
    return sorted([*_MEASURES, _WITHOUT_CLEAN])


def get_scorer(name, *, data_range=None, channel_axis="auto"):
    """Get a scorer for `GridSearchCV`, `cross_val_score` and their kind.

    Parameters
    ----------
    name : str
        ``"psnr"``, ``"ssim"``, ``"neg_mean_squared_error"``,
        ``"scale_invariant_psnr"`` and ``"micro_ssim"`` compare with clean images
        passed as y, in the layout of X. ``"self_supervised"`` is what the denoisers'
        own `score` is, and what a search uses where no scoring is given: it needs no
        clean image and ignores y.
    data_range : float or None, default=None
        As for the function of that name in `n2d.metrics`; ``"psnr"`` and ``"ssim"``
        need one. Not used by ``"self_supervised"`` and ``"neg_mean_squared_error"``.
    channel_axis : int, None or "auto", default="auto"
        Axis of the channels in X and y. ``"auto"``: that of the denoiser that is
        judged, or of the last step that has one in a pipeline.

    Returns
    -------
    DenoisingScorer
        To be called as ``scorer(estimator, X, y)``. Higher is better. Of several
        images the mean is taken, image by image. It can be pickled.

    Raises
    ------
    ValueError
        If `name` is unknown, or needs a `data_range` that is not given.

    See Also
    --------
    get_scorer_names : All names.
    SingleImageSplit : The cv for one image.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import GridSearchCV
    >>> from n2d import GaussianDenoiser
    >>> from n2d.model_selection import SingleImageSplit, get_scorer
    >>> clean = np.tile(np.linspace(0, 200, 64), (64, 1))
    >>> noisy = clean + np.random.default_rng(0).normal(0, 20, clean.shape)
    >>> search = GridSearchCV(
    ...     GaussianDenoiser(),
    ...     {"blur": [0.5, 2.0]},
    ...     scoring=get_scorer("psnr", data_range=255),
    ...     cv=SingleImageSplit(),
    ... )
    >>> search.fit(noisy, clean).best_params_
    {'blur': 2.0}
    """
    if name != _WITHOUT_CLEAN and name not in _MEASURES:
        raise ValueError(
            f"name must be one of {', '.join(get_scorer_names())}, got {name!r}"
        )
    if name in _NEED_A_RANGE and data_range is None:
        raise ValueError(
            f"data_range is needed for {name!r}: the distance between the smallest and "
            "the largest value that the data could have, such as 255 for 8-bit images"
        )
    return DenoisingScorer(name, data_range, channel_axis)


class DenoisingScorer:
    """Judges a fitted denoiser on images; see `get_scorer`, which makes it.

    Parameters
    ----------
    name : str
        Of the measure.
    data_range : float or None
        As for `get_scorer`.
    channel_axis : int, None or "auto"
        As for `get_scorer`.
    """

    def __init__(self, name, data_range=None, channel_axis="auto"):
        self.name = name
        self.data_range = data_range
        self.channel_axis = channel_axis

    def __call__(self, estimator, X, y=None):
        """Judge ``estimator.transform(X)``.

        Parameters
        ----------
        estimator : fitted denoiser, pipeline or search
            Anything with ``transform``.
        X : array-like, or list of array-likes
            Noisy images.
        y : array-like, or list of array-likes
            Clean images in the layout of X; ignored by ``"self_supervised"``.

        Returns
        -------
        float
            Higher is better.

        Raises
        ------
        ValueError
            If y is missing or does not fit to X.
        """
        axis = self.channel_axis
        if isinstance(axis, str):
            axis = channel_axis_of(estimator)
        if self.name == _WITHOUT_CLEAN:
            return self_supervised_score(estimator, X, channel_axis=axis)
        if y is None:
            raise ValueError(
                f"the scorer {self.name!r} compares with clean images: pass them as y, "
                "or take get_scorer('self_supervised'), which needs none"
            )
        clean, estimate = Images(y, axis), Images(estimator.transform(X), axis)
        shapes = [[image.shape for image in images] for images in (clean, estimate)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                "y must hold a clean image for every denoised one, of the same shape "
                f"(C, H, W); got {shapes[0]} and {shapes[1]}"
            )
        measure = _MEASURES[self.name]
        values = [
            measure(x.read_whole(), e.read_whole(), self.data_range)
            for x, e in zip(clean, estimate, strict=True)
        ]
        return float(np.mean(values))

    def __repr__(self):
        settings = [repr(self.name)]
        if self.data_range is not None:
            settings.append(f"data_range={self.data_range!r}")
        if self.channel_axis != "auto":
            settings.append(f"channel_axis={self.channel_axis!r}")
        return f"get_scorer({', '.join(settings)})"
