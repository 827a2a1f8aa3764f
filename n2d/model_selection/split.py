"""Cross-validation where there is one image and nothing to hold out."""

import numpy as np


class SingleImageSplit:
    """Fit on everything, judge on everything, once.

    scikit-learn's searches split X along axis 0, which would cut a single image into
    rows (or, with ``channel_axis=0``, into channels). The score of a denoiser is
    self-supervised and needs no held-out image, so a lone image, or a stack that shares
    one fit, is judged as a whole.

    For stacks and for lists of images, of any sizes, the ordinary ``cv=3`` works, too:
    it holds whole images out. An image alone in a list, ``[image]``, needs this class
    as the bare image does.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.model_selection import SingleImageSplit
    >>> [(train.size, test.size) for train, test in
    ...  SingleImageSplit().split(np.zeros((5, 7)))]
    [(5, 5)]
    """

    def split(self, X, y=None, groups=None):
        """Yield all indices of axis 0, twice, once.

        Parameters
        ----------
        X : array-like
            The image, or the stack.
        y, groups : object
            Ignored.

        Yields
        ------
        train, test : ndarray of int
            All indices of axis 0 of X.
        """
        everything = np.arange(len(X))
        yield everything, everything

    def get_n_splits(self, X=None, y=None, groups=None):
        """Return 1.

        Parameters
        ----------
        X, y, groups : object
            Ignored.

        Returns
        -------
        int
            The number of splits.
        """
        return 1

    def __repr__(self):
        return "SingleImageSplit()"
