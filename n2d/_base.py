"""What every denoiser of the package has in common, as scikit-learn sees it."""

import functools
import warnings

from sklearn import config_context
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from n2d._sklearn import check_feature_names
from n2d._surroundings import undisturbed
from n2d.images import Images


def _frames_where_they_fit(method):
    """Give arrays back for what fits into no frame that the process is set to give."""

    @functools.wraps(method)
    def wrapped(self, X, *args, **kwargs):
        width = getattr(X, "shape", ())[-1:]
        fits = getattr(X, "ndim", 0) == 2 and (
            method.__name__ == "fit_transform"
            or width == (getattr(self, "n_features_in_", None),)
        )
        if fits or self._own_container() != "default":
            return method(self, X, *args, **kwargs)
        with config_context(transform_output="default"):
            return method(self, X, *args, **kwargs)

    return wrapped


class ImageDenoiser(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Base of the denoisers: one contract for X, one score.

    A subclass has a parameter `channel_axis`, takes X in by `_images_to_fit` and
    `_images_to_transform`, and ends `fit` with `_remember`.

    Notes
    -----
    An image may be a data frame: rows are rows, columns are columns. Its column names
    are kept as ``feature_names_in_``, must be the same in `transform` if it gets a data
    frame, too, and come out again: ``get_feature_names_out`` maps them one to one.
    ``set_output(transform="pandas")`` makes one grey image of the width seen in `fit`
    come back as a data frame; stacks, lists and images with channels don't fit into
    one and are refused. Where it is only the configuration of the process that wants
    data frames, they come back as arrays.
    """

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        # Around what scikit-learn wraps: `transform`, and a `fit_transform` of its own.
        for name in ("transform", "fit_transform"):
            if hasattr(cls, name):
                setattr(cls, name, _frames_where_they_fit(getattr(cls, name)))

    @undisturbed
    def score(self, X, y=None):
        """Judge the denoising of X without a clean image; higher is better.

        Parameters
        ----------
        X : array-like, or list of array-likes
            Noisy images, as for `fit`.
        y : None
            Ignored. To compare with clean images use the scorers of
            `n2d.model_selection`.

        Returns
        -------
        float
            `n2d.model_selection.self_supervised_score` of this denoiser.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If `fit` has not been called.
        TypeError, ValueError
            If X is unsuitable; the message names what is wrong.
        """
        return self._judge(X).score

    def _judge(self, X):
        """Judge the denoising of X, and say how sure that is."""
        self._images_to_transform(X)  # complains of X before anything is computed
        from n2d.model_selection import judge

        with config_context(transform_output="default"):
            return judge(self, X)

    def _images_to_fit(self, X):
        """Take in what `fit` gets; a colour image that looks like a stack warns."""
        images = Images(X, self.channel_axis)
        if images.look_like_colour:
            height, width, n = images.arrays[0].shape
            warnings.warn(
                f"X is taken for a stack of {height} grey images of {width} x {n} "
                f"pixels; for one image with {n} channels set channel_axis=-1",
                stacklevel=5,  # past `fit` and its decorators
            )
        return images

    def _remember(self, X, images):
        """Forget an earlier fit, and keep of X what `transform` is checked against.

        To be called when `fit` cannot fail any more, before it sets its attributes.
        """
        for name in [name for name in vars(self) if name.endswith("_")]:
            delattr(self, name)
        self._n_channels = images.n_channels
        if not images.is_list:
            validate_data(self, X, skip_check_array=True)

    def _images_to_transform(self, X):
        """Take in what `transform` gets: as many channels as `fit` has seen."""
        check_is_fitted(self)
        images = Images(X, self.channel_axis)
        expected = self._n_channels
        if images.n_channels != expected:
            raise ValueError(
                f"X has {images.n_channels} channel(s), but {type(self).__name__} was "
                f"fitted with {expected}; check channel_axis={self.channel_axis}"
            )
        if hasattr(X, "columns") and hasattr(self, "feature_names_in_"):
            check_feature_names(self, X, reset=False)
        container = self._own_container()
        if container != "default" and not self._fits_into_a_frame(images):
            raise ValueError(
                f"set_output(transform={container!r}) is for one grey image of the "
                "width seen in fit; set_output(transform='default') for other X"
            )
        return images

    def _own_container(self):
        """Return what `set_output` has asked of this estimator, or "default"."""
        own = getattr(self, "_sklearn_output_config", {})
        return own.get("transform", "default")

    def _fits_into_a_frame(self, images):
        shape = images.arrays[0].shape
        return (
            not images.is_list
            and len(shape) == 2
            and shape[1] == getattr(self, "n_features_in_", None)
        )

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_n_channels")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        return tags
