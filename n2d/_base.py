"""What every denoiser of the package has in common, as scikit-learn sees it."""

from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from n2d._arrays import Images


class ImageDenoiser(TransformerMixin, BaseEstimator):
    """Base of the denoisers: one contract for X, one score.

    A subclass has a parameter `channel_axis`, and sets `_n_channels` in `fit`.
    """

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
        """
        from n2d.model_selection import self_supervised_score

        return self_supervised_score(self, X)

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
        return images

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        return tags
