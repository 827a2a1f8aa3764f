"""Taking an image apart into smaller ones that show nearly the same scene."""

import torch


def pair_downsample(x):
    """Split images into two half-size ones with independent noise.

    In every 2x2 block the two diagonals are averaged (arXiv 2510.15611):
    ``D1[i, j] = (x[2i, 2j] + x[2i+1, 2j+1]) / 2`` and
    ``D2[i, j] = (x[2i, 2j+1] + x[2i+1, 2j]) / 2``.

    Parameters
    ----------
    x : torch.Tensor of shape (N, C, H, W)
        Images; H and W are even.

    Returns
    -------
    D1, D2 : torch.Tensor of shape (N, C, H / 2, W / 2)
        The two half-size images.

    Raises
    ------
    ValueError
        If H or W is odd.

    Examples
    --------
    >>> import torch
    >>> from n2d.core.sampling import pair_downsample
    >>> d1, d2 = pair_downsample(torch.tensor([[[[1.0, 2.0], [3.0, 5.0]]]]))
    >>> d1.item(), d2.item()
    (3.0, 2.5)
    """
    _check_divisible(x, 2)
    d1 = (x[..., 0::2, 0::2] + x[..., 1::2, 1::2]) / 2
    d2 = (x[..., 0::2, 1::2] + x[..., 1::2, 0::2]) / 2
    return d1, d2


def pixel_unshuffle_to_batch(x, factor):
    """Split images into the ``factor**2`` phase images of their pixel grid.

    Neighbours in a phase image were `factor` pixels apart, so noise that is correlated
    between neighbouring pixels is broken up.

    Parameters
    ----------
    x : torch.Tensor of shape (N, C, H, W)
        Images; H and W are multiples of `factor`.
    factor : int
        Distance r between the pixels of a phase image.

    Returns
    -------
    torch.Tensor of shape (N * factor**2, C, H / factor, W / factor)
        The phases of the first image, row by row, then those of the next.

    Raises
    ------
    ValueError
        If H or W is no multiple of `factor`.
    """
    _check_divisible(x, factor)
    n, c, h, w = x.shape
    x = x.reshape(n, c, h // factor, factor, w // factor, factor)
    x = x.permute(0, 3, 5, 1, 2, 4)  # (N, r, r, C, H/r, W/r)
    return x.reshape(n * factor**2, c, h // factor, w // factor)


def pixel_shuffle_from_batch(x, factor):
    """Put phase images back together: the inverse of `pixel_unshuffle_to_batch`.

    Parameters
    ----------
    x : torch.Tensor of shape (N * factor**2, C, h, w)
        Phase images in the order of `pixel_unshuffle_to_batch`.
    factor : int
        Distance r between the pixels of a phase image.

    Returns
    -------
    torch.Tensor of shape (N, C, h * factor, w * factor)
        Images.
    """
    phases, c, h, w = x.shape
    n = phases // factor**2
    x = x.reshape(n, factor, factor, c, h, w)
    x = x.permute(0, 3, 4, 1, 5, 2)  # (N, C, h, r, w, r)
    return x.reshape(n, c, h * factor, w * factor)


def _check_divisible(x, factor):
    if x.shape[-2] % factor or x.shape[-1] % factor:
        raise ValueError(
            f"the sides of an image of {x.shape[-2]} x {x.shape[-1]} pixels are not "
            f"multiples of {factor}; pad it first"
        )


def random_crops(windows, side, count, generator):
    """Draw random square crops, each flipped and transposed at random.

    Parameters
    ----------
    windows : sequence of torch.Tensor of shape (C, h, w)
        Where crops come from; every pixel of all windows is about as likely to be seen
        as any other.
    side : int
        Side of the crops, at most that of the smallest window.
    count : int
        Number of crops N.
    generator : torch.Generator
        Source of randomness, on the CPU.

    Returns
    -------
    torch.Tensor of shape (N, C, side, side)
        The crops.
    """

    def draw(below):
        return torch.randint(below, (), generator=generator).item()

    areas = torch.tensor([float(w.shape[-2] * w.shape[-1]) for w in windows])
    chosen = torch.multinomial(areas, count, replacement=True, generator=generator)
    crops = []
    for window in (windows[i] for i in chosen):
        top = draw(window.shape[-2] - side + 1)
        left = draw(window.shape[-1] - side + 1)
        crop = window[:, top : top + side, left : left + side]
        if draw(2):
            crop = crop.flip(-2)
        if draw(2):
            crop = crop.flip(-1)
        if draw(2):
            crop = crop.transpose(-2, -1)
        crops.append(crop)
    return torch.stack(crops)
