"""Denoisers on one image, measured and drawn: for notebooks and the gallery."""

import math
from tempfile import TemporaryDirectory

import numpy as np

from n2d.comparison.figure import plot_comparison
from n2d.comparison.runner import compare


def compare_and_plot(methods, case, *, score=False, isolate=False, **drawing):
    """Run denoisers over one image, and draw what they made of it.

    `compare` and `plot_comparison` in one call, with the seconds that each method took
    in the titles. Nothing is written to disk.

    Parameters
    ----------
    methods : dict of str to denoiser
        As for `compare`; None stands for the noisy image, which is drawn anyway.
    case : Case
        One image; of a stack, its middle image is drawn.
    score : bool, default=False
        Whether to ask the denoisers for their self-supervised score, too, and to show
        it. Without a clean image it is what there is to judge by.
    isolate : bool, default=False
        As for `compare`: whether each run has a process of its own, without which
        memory is not measured.
    **drawing : object
        For `plot_comparison`, such as ``columns=4`` or ``inset=(0, 0, 64, 64)``.

    Returns
    -------
    rows : list of dict
        A row of numbers for each method, as `compare` returns them; `summarize` makes a
        table of them.
    figure : matplotlib.figure.Figure
        As `plot_comparison` draws it. Methods that failed are not in it; their rows
        have the error.

    Raises
    ------
    ImportError
        If Matplotlib, of the extra ``plot``, is not installed.
    RuntimeError
        If all methods failed.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d import GaussianDenoiser, MedianDenoiser
    >>> from n2d.comparison import Case, compare_and_plot, summarize
    >>> clean = np.tile(np.linspace(0, 200, 64), (64, 1))
    >>> noisy = clean + np.random.default_rng(0).normal(0, 20, clean.shape)
    >>> methods = {"median": MedianDenoiser(), "blur": GaussianDenoiser(blur=2)}
    >>> case = Case("ramp", noisy, clean, data_range=255)
    >>> rows, figure = compare_and_plot(methods, case)  # doctest: +SKIP
    >>> print(summarize(rows))  # doctest: +SKIP
    """
    estimates = {}

    def keep(case, rows, of_methods):
        estimates.update(of_methods)

    with TemporaryDirectory() as folder:
        rows = compare(
            methods, [case], folder, score=score, isolate=isolate, on_case=keep
        )
    drawn = {name: x for name, x in estimates.items() if methods[name] is not None}
    if not drawn:
        errors = "; ".join(f"{row['method']}: {row['error']}" for row in rows)
        raise RuntimeError(f"no method denoised {case.name!r}: {errors}")
    noisy, axis = np.asarray(case.noisy), case.channel_axis
    stacked = noisy.ndim > (2 if axis is None else 3)
    if stacked and axis is not None and axis > 0:
        axis -= 1

    def one(images):
        return images[len(images) // 2] if stacked else images

    figure = plot_comparison(
        one(noisy),
        {name: one(image) for name, image in drawn.items()},
        None if case.clean is None else one(np.asarray(case.clean)),
        data_range=case.data_range,
        channel_axis=axis,
        **{"titles": {row["method"]: _title(row) for row in rows}, **drawing},
    )
    return rows, figure


def _title(row):
    parts = [
        ""
        if row["score"] is None or math.isnan(row["score"])
        else f"score {row['score']:.3f}",
        "" if row["seconds"] is None else f"{row['seconds']:.2f} s",
    ]
    return ", ".join(filter(None, parts))
