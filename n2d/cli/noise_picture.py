"""A picture of what `n2d noise` has measured."""

import numpy as np

_SIDE = 16  # pixels of a block
_MOST_BLOCKS = 4000
_INCHES = 3.4


def draw_noise(found):
    """Draw noise models: a row for every channel.

    Parameters
    ----------
    found : list of (NoiseModel, ndarray of shape (n, h, w))
        What was measured, and in which images.

    Returns
    -------
    matplotlib.figure.Figure
        Variance against intensity with the blocks of the image, correlation, and the
        level from place to place.
    """
    from matplotlib.figure import Figure

    size = 3 * _INCHES, _INCHES * len(found)
    figure = Figure(figsize=size, layout="constrained", dpi=120)
    axes = figure.subplots(len(found), 3, squeeze=False)
    for number, (row, (model, images)) in enumerate(zip(axes, found, strict=True)):
        if len(found) > 1:
            row[0].set_title(f"channel {number}", loc="left")
        _draw_variance(row[0], model, images)
        _draw_correlation(row[1], model)
        _draw_places(figure, row[2], model, images)
    return figure


def _draw_variance(axes, model, images):
    """The variance of flat and textured blocks, and what the model says."""
    mean, variance = _blocks(images)
    if len(mean):
        axes.plot(
            mean, variance, ".", ms=2, color="0.7", label="blocks (texture above)"
        )
        low, high = np.quantile(mean, [0.005, 0.995])
    else:
        low, high = images.min(), images.max()
    at = np.linspace(low, high, 200)
    told = np.broadcast_to(model.variance(at), at.shape)
    axes.plot(at, told, color="C3", label="measured")
    axes.set(xlabel="intensity", ylabel="variance", xlim=(low, high))
    # Texture adds to the variance: what is far above is no noise.
    axes.set_ylim(0, 3 * max(told.max(), 1e-300))
    axes.legend(loc="upper left", fontsize="small")


def _blocks(images):
    """Mean and variance of blocks, without what a plane through them explains."""
    n, h, w = images.shape
    rows, columns = h // _SIDE, w // _SIDE
    cut = images[:, : rows * _SIDE, : columns * _SIDE].astype(float)
    cut = cut.reshape(n, rows, _SIDE, columns, _SIDE).swapaxes(2, 3)
    blocks = cut.reshape(-1, _SIDE**2)
    blocks = blocks[:: max(1, len(blocks) // _MOST_BLOCKS)]
    y, x = np.mgrid[:_SIDE, :_SIDE].reshape(2, -1)
    basis = np.linalg.qr(np.column_stack([np.ones_like(y), y, x]).astype(float))[0]
    rest = blocks - blocks @ basis @ basis.T
    return blocks.mean(axis=1), (rest**2).sum(axis=1) / (_SIDE**2 - 3)


def _draw_correlation(axes, model):
    """The correlation with neighbours along four directions."""
    found = model.autocorrelation()
    names = ("along y", "along x", "down right", "down left")
    for values, name, style in zip(found, names, ("o-", "s-", "^:", "v:"), strict=True):
        axes.plot(range(len(values)), values, style, ms=4, label=name)
    axes.axhline(0, color="0.7", lw=0.8)
    axes.set(xlabel="pixels apart", ylabel="correlation", xticks=range(len(found[0])))
    axes.legend(fontsize="small")


def _draw_places(figure, axes, model, images):
    """The level from place to place, over the size of the image."""
    h, w = images.shape[1:]
    place = np.ones((1, 1)) if model.place is None else model.place
    shown = axes.imshow(
        model.level * place,
        extent=(0, w, h, 0),
        vmin=0,
        vmax=1.2 * model.level * place.max() or 1,
        interpolation="bilinear",
    )
    figure.colorbar(shown, ax=axes, label="standard deviation", shrink=0.8)
    axes.set_title(
        "the same everywhere" if model.place is None else "from place to place"
    )
