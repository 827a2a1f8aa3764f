"""Denoising in one call, after scikit-image's habits."""

import numpy as np


def denoise_noise2detail(
    image,
    *,
    channel_axis=None,
    solver="fast",
    init="auto",
    noise="auto",
    strength=1.0,
    stripes="keep",
    stack="independent",
    hidden_channels=48,
    max_iter="auto",
    downsampling_factors="auto",
    detail_max_iter="auto",
    learning_rate="auto",
    data_range=None,
    device="auto",
    precision="auto",
    rng=None,
):
    """Denoise an image without training data, by Noise2Detail.

    By default, a network that was trained beforehand, on generated images only, is
    applied to the image and takes no training step on it. ``init="random"`` and
    ``solver="paper"`` train on the image itself, as published [1]_.

    Parameters
    ----------
    image : array-like
        (H, W), or a stack (n, H, W); with a `channel_axis` one axis more. A list of
        arrays is many images, of any sizes. Any real dtype; not modified.
    channel_axis : int or None, default=None
        Axis of the channels; None for grey images. Never guessed.
    solver : {"fast", "paper"}, default="fast"
        Ours, or the published schedule.
    init : {"auto", "random", "synthetic"}, default="auto"
        Where the weights come from: trained on the image, or beforehand on generated
        images. ``"auto"``: the latter with ``solver="fast"``.
    noise : "auto", float, NoiseModel or sequence of these, default="auto"
        Measured, or told: the standard deviation of white noise in the units of
        `image`, or an `n2d.noise.NoiseModel`; a sequence has one for every channel.
    strength : float, default=1.0
        Above 1 the result is smoother, below 1 it keeps more.
    stripes : {"keep", "remove"}, default="keep"
        What becomes of rows and columns whose offsets are a detector's noise.
    stack : {"independent", "time", "depth"}, default="independent"
        What the images of a stack are to each other; neighbours in time or depth are
        used where they show the same.
    hidden_channels : int, default=48
        Channels of the networks' hidden layers.
    max_iter : int or "auto", default="auto"
        Steps of stage 1, partial denoising, at most; with synthetic weights, rounds in
        which the noise is measured.
    downsampling_factors : tuple of int or "auto", default="auto"
        Factors of stage 2, background refinement; () switches it off.
    detail_max_iter : int or "auto", default="auto"
        Optimizer steps of stage 3, detail recovery; 0 switches it off.
    learning_rate : float or "auto", default="auto"
        Highest learning rate of Adam.
    data_range : tuple of two floats or None, default=None
        The (low, high) values that are mapped to 0 and 1; None: the smallest and
        largest.
    device : str, default="auto"
        Where to compute: ``"cpu"``, ``"cuda"``, ``"mps"``, ...
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        What to compute in; ``"auto"``: bfloat16 where that is twice as fast.
    rng : int, numpy.random.Generator or None, default=None
        Source of randomness; an int gives the bits of the estimator's `random_state`.

    Returns
    -------
    ndarray, or list of ndarray
        The denoised image, of the same shape, in the same units, of dtype
        ``np.result_type(image.dtype, np.float32)``.

    Raises
    ------
    TypeError, ValueError
        If a parameter or `image` is unsuitable; the message names it.

    See Also
    --------
    n2d.Noise2DetailDenoiser : The estimator, which explains every parameter.

    References
    ----------
    .. [1] T. Chobola, J. A. Schnabel, T. Peng, "Lightweight Data-Free Denoising for
       Detail-Preserving Biomedical Image Restoration", MICCAI 2025, arXiv:2510.15611.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d import denoise_noise2detail
    >>> rng = np.random.default_rng(0)
    >>> noisy = rng.poisson(20, (48, 64)).astype(np.uint16)
    >>> denoised = denoise_noise2detail(noisy)
    >>> denoised.shape, denoised.dtype
    ((48, 64), dtype('float32'))
    """
    from n2d.denoiser import Noise2DetailDenoiser

    if isinstance(rng, np.random.Generator):
        rng = int(rng.integers(2**31))
    denoiser = Noise2DetailDenoiser(
        solver=solver,
        init=init,
        noise=noise,
        strength=strength,
        stripes=stripes,
        stack=stack,
        hidden_channels=hidden_channels,
        max_iter=max_iter,
        downsampling_factors=downsampling_factors,
        detail_max_iter=detail_max_iter,
        learning_rate=learning_rate,
        channel_axis=channel_axis,
        data_range=data_range,
        device=device,
        precision=precision,
        random_state=rng,
    )
    # Arrays, whatever the global configuration of scikit-learn is.
    return denoiser.set_output(transform="default").fit_transform(image)
