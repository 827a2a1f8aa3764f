"""What of a case is drawn: one image, an enlarged part, and what to say of each."""


class View:
    """One image of a case, for the figure of `n2d compare`.

    Parameters
    ----------
    case : Case
        What is compared on.
    plane : int, default=0
        Which image of a stack.
    inset : tuple of four ints, optional
        The part to enlarge: top, left, height, width in pixels.

    Raises
    ------
    ValueError
        If the case has no such plane, or the image no such part; before anything is
        computed.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.cli.view import View
    >>> from n2d.comparison import Case
    >>> View(Case("stack", np.zeros((3, 8, 8))), plane=3)
    Traceback (most recent call last):
    ...
    ValueError: --plane 3: there are planes 0 to 2
    """

    def __init__(self, case, plane=0, inset=None):
        self._case, self._plane, self._inset = case, plane, inset
        shape, axis = case.noisy.shape, case.channel_axis
        self._stacked = len(shape) == (3 if axis is None else 4)
        n_planes = shape[0] if self._stacked else 1
        if plane >= n_planes:
            raise ValueError(f"--plane {plane}: there are planes 0 to {n_planes - 1}")
        rows, columns = [n for i, n in enumerate(shape) if i != axis][-2:]
        if inset is not None:
            top, left, height, width = inset
            if not (
                0 <= top < top + height <= rows and 0 <= left < left + width <= columns
            ):
                raise ValueError(
                    f"--inset {top} {left} {height} {width}: is no part (top, left, "
                    f"height, width) of {rows} x {columns} pixels"
                )

    def plot(self, rows, estimates):
        """Draw the image, what denoisers made of it, and the clean one if there is one.

        Parameters
        ----------
        rows : list of dict
            As `n2d.comparison.compare` gives them.
        estimates : dict of str to ndarray
            Denoised images by method.

        Returns
        -------
        matplotlib.figure.Figure
            See `n2d.comparison.plot_comparison`.
        """
        from n2d.comparison import plot_comparison

        case, axis = self._case, self._case.channel_axis
        if self._stacked and axis is not None:
            axis -= 1
        return plot_comparison(
            self._one(case.noisy),
            {name: self._one(estimate) for name, estimate in estimates.items()},
            None if case.clean is None else self._one(case.clean),
            data_range=case.data_range,
            channel_axis=axis,
            inset=self._inset,
            titles={row["method"]: _title(row) for row in rows},
        )

    def _one(self, array):
        return array[self._plane] if self._stacked else array


def _title(row):
    score = "" if row["score"] is None else f"score {row['score']:.3f}, "
    seconds = "" if row["seconds"] is None else f"{row['seconds']:.1f} s"
    return f"{score}{seconds}"
