"""`Noise2DetailDenoiser`, the estimator: it orchestrates the rooms below."""

import contextlib
from dataclasses import replace

import numpy as np
import torch
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted

from n2d._base import ImageDenoiser
from n2d._parameters import Parameters, settled_data_range
from n2d._planes import PlaneByPlane
from n2d._plans import plan_of, takes_neighbours, told_noise
from n2d._progress import reporting
from n2d._sklearn import estimator_constraints, fit_context
from n2d._suits import looks_of, warn_unless_suits, windows_of
from n2d._surroundings import undisturbed
from n2d._trust import trust_of, warn_unless_trusted
from n2d.applying.results import results_of
from n2d.applying.tiled import STANDARD_ERROR
from n2d.core.device import settled_precision, usable_device
from n2d.core.prior_network import PriorNetwork
from n2d.core.team import team
from n2d.fitting.plan import Resources, range_of
from n2d.fitting.planes import fit_stack_from_prior
from n2d.fitting.prior_start import PriorPlan
from n2d.fitting.random_start import fit_from_random
from n2d.fitting.windows import are_whole, shape_of_whole
from n2d.images import input_fingerprint
from n2d.model_file import SavedAsFile


class Noise2DetailDenoiser(SavedAsFile, PlaneByPlane, ImageDenoiser):
    """Denoise images without training data, by Noise2Detail.

    By default, a small network that was trained beforehand, on generated images only,
    is applied to the image, whose noise is measured; it takes no training step on the
    image. ``init="random"`` and ``solver="paper"`` are Noise2Detail as published [1]_:
    a tiny network learns from the noisy image alone, in three stages: partial
    denoising, background refinement and detail recovery. No weight was ever trained on
    a real image other than the one in hand.

    Parameters
    ----------
    solver : {"fast", "paper"}, default="fast"
        ``"paper"`` trains on the whole image for 2 x 2,000 steps, exactly as published;
        a quarter of an hour for 256 x 256 pixels on two CPU cores. It clamps every
        estimate to `data_range`. The cost of fitting with ``"fast"`` does not grow with
        the image, and nothing is clipped.
    init : {"auto", "random", "synthetic"}, default="auto"
        Where the weights come from. ``"synthetic"``: trained beforehand, on generated
        images with every kind of noise; `fit` leaves them as they are. It measures the
        noise of the image, makes its variance the same everywhere (generalised Anscombe
        transform, with an unbiased inverse) and gives the network its level and
        correlation. ``"random"``: `fit` trains them on the image, on small crops with
        ``solver="fast"``. ``"auto"`` is ``"synthetic"`` where the package ships weights
        for the network asked for and the solver is ``"fast"``, else ``"random"``.
    noise : "auto", float, NoiseModel or sequence of these, default="auto"
        ``"auto"`` measures the noise. A number is the standard deviation of white noise
        in the units of X. An `n2d.noise.NoiseModel`, such as
        ``NoiseModel.from_frames`` makes, is believed, all of it, and nothing is
        measured; its map of places and its patterns count where `fit` sees one image.
        A sequence has one for every channel. For synthetic weights; anything but
        ``"auto"`` is an error with others.
    strength : float, default=1.0
        How much is smoothed: the level of the noise times this is what the network
        is told. Above 1 the result is smoother, below 1 it keeps more. For synthetic
        weights; anything but 1 is an error with others.
    stripes : {"keep", "remove"}, default="keep"
        ``"remove"`` takes random offsets of rows or columns, and hum, out of one image
        of up to 512 x 512 pixels; ``"keep"`` tells of strong ones in `trust_`.
    stack : {"independent", "time", "depth"}, default="independent"
        What images of a stack are to each other. ``"time"``: what shows the same in 3
        before and after, moved by up to 15 pixels, is averaged before it is denoised.
        ``"depth"``: in 2 to either side, unmoved. For synthetic weights, no stage 3.
    hidden_channels : int, default=48
        Channels of the hidden layers of the networks that are trained on the image.
        There are synthetic weights for 48.
    max_iter : int or "auto", default="auto"
        Steps of stage 1, at most: of the optimizer, or, with synthetic weights, rounds
        in which the noise is measured again on what was taken away, if it is not sure.
        ``"auto"``: 2,000 for the paper, 400 with random, 3 with synthetic weights.
    downsampling_factors : tuple of int or "auto", default="auto"
        Factors, 2 or more, by which stage 2 pulls neighbouring pixels apart;
        ``()`` switches it off. With synthetic weights, those the mixture may use.
        ``"auto"``: (2, 4); none with synthetic weights, which know correlated noise.
    detail_max_iter : int or "auto", default="auto"
        Optimizer steps of stage 3, at most; 0 switches it off. ``"auto"``: 2,000 with
        ``solver="paper"``, 400 with random and 0 with synthetic weights, which lose
        no detail that this stage could bring back.
    learning_rate : float or "auto", default="auto"
        Highest of Adam. ``"auto"``: 1e-3 with ``solver="paper"``, else 3e-3.
    channel_axis : int or None, default=None
        Axis of the images' channels in X; None for grey images. Never guessed.
    data_range : tuple of two floats or None, default=None
        The (low, high) values that are mapped to 0 and 1, once for all images. None:
        the smallest and largest value that `fit` sees.
    device : str, default="auto"
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``, or ``"auto"``: the fastest.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        What the shipped network is computed in. ``"auto"``: bfloat16 where the
        processor or the GPU is made for it (AVX-512 BF16, AMX, CUDA from Ampere on),
        which is twice as fast and moves results by 0.004 deviations of the noise,
        else float32. Networks that are trained on the image are computed in float32.
    random_state : int, RandomState instance or None, default=None
        Seed of the weights and the crops. The same int gives the same bits on the same
        CPU; None gives new ones each time. No global random state is read or changed.
    verbose : int, default=0
        With 1 or more, `fit` shows a progress bar on stderr.

    Attributes
    ----------
    networks_ : tuple of torch.nn.Module
        The networks of stage 1 and, where it is on, stage 3.
    noise_ : NoiseModel, tuple of NoiseModel, list of these, or None
        The noise in the units of X (level, gain, offset, correlation), measured or as
        it was told, for every channel if there are several; a list over the images of
        X, where their noise differs. None with random weights.
    trust_ : Bunch
        How far the result can be trusted, judged by what was removed from what `fit`
        read. ``verdict``: "good", "doubtful" or "bad"; None where it was not checked:
        with random weights, where no noise was found, and below 64 x 64 pixels.
        ``reasons``: why, with what to do. ``figures``: what that is based on, see
        `n2d.noise.Verdict`. Of several images, the worst; ``images`` has one Bunch for
        each if ``whole`` is True. If not, there were too many pixels to read them all:
        ``images`` has one Bunch for every window that was read, and the verdict is
        what at least a quarter of them says.
    n_iter_ : int
        Steps that `fit` took in all.
    loss_curve_ : list of float
        One value for every step, stage 1 first: the loss before it, or, with
        synthetic weights, how much the round changed the measured noise.
    stop_reason_ : str
        Why `fit` stopped: "schedule ended", "held-out loss settled" (a stage stopped
        early, started from random weights), "noise settled", "max_iter reached",
        "noise given" or "no noise found".
    data_range_ : tuple of two floats
        The (low, high) values that are mapped to 0 and 1.
    mixture_ : dict of int to float
        Weights of the estimates that stage 2 is mixed from: of d1 under 1, of every
        other p_r under its factor r. With synthetic weights, those of smallest
        estimated risk; else they are equal.
    downsampling_factors_ : tuple of int
        The factors in the mixture.
    precision_ : {"float32", "bfloat16"}
        What `transform` computes in on this machine.
    input_fingerprint_ : dict
        What `fit` saw: "n_images", "shape", "dtype", "sha256" of the pixels it read,
        "contrast", and the noise in "detail" and from "bright_to_dark".
    n_features_in_ : int
        Length of the second axis of X in `fit`; later inputs may have any size.

    See Also
    --------
    n2d.denoise_noise2detail : The same for one image in one call.

    Notes
    -----
    Any real dtype is accepted; the result has dtype
    ``np.result_type(X.dtype, np.float32)`` and the units of X. Boolean images count as
    0 and 1. Intensities are mapped by one affine function for all images, pixels and
    channels, so that they stay comparable. Where `fit` finds no noise, as in images of
    one value or in a channel that is a mask, `transform` returns its input.

    The images of X share one fit, unless their noise differs by more than a sixth,
    given how bright they are. Then each is measured alone; of more than 16, the 16 most
    different, and others take over the noise of the one most like them, at the level of
    four small windows. `transform` applies that to as many images of the same shapes,
    by their place in X, and to others what was measured on all.

    References
    ----------
    .. [1] T. Chobola, J. A. Schnabel, T. Peng, "Lightweight Data-Free Denoising for
       Detail-Preserving Biomedical Image Restoration", MICCAI 2025, arXiv:2510.15611.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d import Noise2DetailDenoiser
    >>> rng = np.random.default_rng(0)
    >>> clean = np.tile(np.linspace(0, 200, 64), (64, 1))
    >>> noisy = clean + rng.normal(0, 20, clean.shape)
    >>> denoiser = Noise2DetailDenoiser()
    >>> denoised = denoiser.fit_transform(noisy)
    >>> bool(np.std(denoised - clean) < np.std(noisy - clean) / 5)
    True
    >>> bool(abs(denoiser.noise_.level - 20) < 2)
    True
    """

    _parameter_constraints = estimator_constraints(Parameters)

    def __init__(
        self,
        *,
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
        channel_axis=None,
        data_range=None,
        device="auto",
        precision="auto",
        random_state=None,
        verbose=0,
    ):
        self.solver = solver
        self.init = init
        self.noise = noise
        self.strength = strength
        self.stripes = stripes
        self.stack = stack
        self.hidden_channels = hidden_channels
        self.max_iter = max_iter
        self.downsampling_factors = downsampling_factors
        self.detail_max_iter = detail_max_iter
        self.learning_rate = learning_rate
        self.channel_axis = channel_axis
        self.data_range = data_range
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    # -- fitting -------------------------------------------------------------------

    @undisturbed
    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, *, callback=None):
        """Settle all that depends on the data: scale, noise and weights.

        By default the noise is measured, and the shipped weights are taken as they
        are. With ``init="random"`` or ``solver="paper"`` networks are trained on X.

        Parameters
        ----------
        X : array-like, or list of array-likes
            With ``channel_axis=None``, (H, W) is one image and (n, H, W) a stack; with
            a `channel_axis` there is one axis more. A list of arrays is many images, of
            any sizes. ``solver="fast"`` reads at most about 512 x 512 pixels of them.
        y : None
            Ignored.
        callback : callable, optional
            Called after every step with an `n2d.core.progress.Progress` (stage, step,
            total, loss). Returning True cancels.

        Returns
        -------
        Noise2DetailDenoiser
            The fitted estimator.

        Raises
        ------
        TypeError, ValueError
            If a parameter or X is unsuitable; the message names it.
        n2d.core.progress.Cancelled
            If `callback` returned True. The estimator stays as it was.
        n2d.core.training.TrainingDiverged
            If the loss became infinite or NaN. The estimator stays as it was.

        Warns
        -----
        n2d.NoiseWarning
            If the result is doubtful or bad, see `trust_`.
        """
        images = self._images_to_fit(X)
        rng = _generator(self.random_state)
        plan = plan_of(self)
        windows = plan.windows(images, rng)
        if self.data_range is None:
            data_range = range_of(windows)
        else:
            data_range = settled_data_range(self.data_range)
        with contextlib.ExitStack() as stack:
            resources = Resources(
                device=usable_device(self.device),
                seed=int(rng.integers(2**63)),
                callback=reporting(callback, self.verbose, stack),
                precision=self.precision,
            )
            with torch.inference_mode(False), torch.enable_grad():
                if isinstance(plan, PriorPlan):
                    plan = replace(
                        plan,
                        shape=shape_of_whole(images, windows),
                        one_image=len(images) == 1,
                        noise=told_noise(self.noise, len(windows[0])),
                    )
                    stack.enter_context(team(torch.get_num_threads()))
                    fitted = fit_stack_from_prior(
                        images, windows, data_range, plan, resources
                    )
                else:
                    fitted = fit_from_random(windows, data_range, plan, resources)

        # Nothing can fail any more; until here the estimator is as it was.
        self._remember(X, images)
        self._intensities = fitted.intensities
        self._stages = fitted.stages
        self._planes = fitted.planes
        self.networks_ = fitted.networks
        if not self._all_stages:  # then nothing uses them, on any device
            self.networks_ = tuple(net.to("cpu") for net in fitted.networks)
        self.loss_curve_ = fitted.losses
        self.n_iter_ = len(self.loss_curve_)
        self.stop_reason_ = fitted.stopped
        self.input_fingerprint_ = input_fingerprint(images, windows)
        self.data_range_ = data_range
        self.noise_ = self._noise_in_units(fitted)
        # Of the same places as `transform` looks at: an image always suits itself.
        self.input_fingerprint_ |= looks_of(windows_of(images), self.noise_)
        self.mixture_ = fitted.mixture
        self.downsampling_factors_ = tuple(r for r in self.mixture_ if r > 1)
        whole = are_whole(images, windows) or bool(fitted.planes)
        self.trust_ = trust_of(fitted.verdicts, whole or len(images) == 1)
        warn_unless_trusted(self.trust_)
        return self

    # -- applying ------------------------------------------------------------------

    def fit_transform(self, X, y=None, *, callback=None):
        """Fit to X, then denoise X: ``fit(X, callback=callback).transform(X)``.

        Parameters
        ----------
        X : array-like, or list of array-likes
            As for `fit`.
        y : None
            Ignored.
        callback : callable, optional
            As for `fit`.

        Returns
        -------
        ndarray, or list of ndarray
            Denoised, of the shape of X and dtype
            ``np.result_type(X.dtype, np.float32)``.
        """
        return self.fit(X, y, callback=callback).transform(X)

    @undisturbed
    def transform(self, X, *, return_std=False, region=None, out=None, callback=None):
        """Denoise images with what `fit` has settled.

        The result is a local function of the pixels, of an image and, with `stack`, of
        its neighbours, however the images are tiled, as the memory there is allows.

        Parameters
        ----------
        X : array-like, or list of array-likes
            As for `fit`; other sizes are fine, other numbers of channels are not.
            Memory maps, Zarr arrays and what else reads on indexing are read by tiles.
        return_std : bool, default=False
            Whether to return the standard error of every pixel, too. The denoised
            image is the same to the bit.
        region : tuple of two slices, optional
            Which rows and columns of every image to denoise, such as
            ``np.s_[1000:2000, 500:900]``; the pixels around are taken into account.
        out : array-like, or list of array-likes, optional
            Where to write the result, tile by tile: an array of its shape that takes
            ``out[rows, columns] = values``, such as a memory map or a Zarr array. For
            an integer type values are rounded, and clipped to what it can hold.
            With `return_std`, a pair of such: for the result, and for the errors.
        callback : callable, optional
            Called after every tile with an `n2d.core.progress.Progress` that counts
            pixels. Returning True cancels.

        Returns
        -------
        denoised : ndarray, or list of ndarray
            Denoised, of the shape of X, or of the region, and of dtype
            ``np.result_type(X.dtype, np.float32)``; or `out`. For a Dask array it is a
            lazy one of the same chunks, computed where and when Dask is asked to.
        std : like `denoised`
            Only with `return_std`: the standard error of every pixel of `denoised`, in
            the units of X; 0 where `fit` found no noise. An array even where
            ``set_output`` makes a data frame of `denoised`.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If `fit` has not been called.
        TypeError, ValueError
            If X, `region` or `out` is unsuitable; the message names what is wrong. If
            `return_std` is asked of networks that were trained on the image.
        MemoryError
            If there is no room for the result, or not even for a small tile.
        n2d.core.progress.Cancelled
            If `callback` returned True; what is done by then is in `out`.

        Notes
        -----
        The standard error is the network's own estimate of the root of the expected
        squared error, which it learned on generated scenes. Where the errors are
        Gaussian, the truth lies within one of them for 68 % of the pixels and within
        two for 95 %. It holds for noise as it was measured (`noise_`): where that is
        wrong, so is the error; and errors of neighbouring pixels are not independent,
        so that the mean of a region is less sure than their number suggests. Between
        colours, the errors of the uncorrelated channels that the network sees are
        taken as independent. With `downsampling_factors`, it is an upper bound; with
        `strength`, it is for noise that is so much stronger.

        Examples
        --------
        >>> import numpy as np
        >>> from n2d import Noise2DetailDenoiser
        >>> rng = np.random.default_rng(0)
        >>> clean = np.tile(np.repeat([50.0, 150.0], 48), (96, 1))
        >>> noisy = rng.normal(clean, 10)
        >>> denoised, std = Noise2DetailDenoiser().fit(noisy).transform(
        ...     noisy, return_std=True
        ... )
        >>> bool(np.mean(abs(denoised - clean) < 2 * std) > 0.85)
        True
        """
        images = self._images_to_transform(X)
        names = ["stage3"]
        if return_std:
            self._tile_denoiser().check_knows_error()
            names.append(STANDARD_ERROR)
        if out is None and images.are_lazy:
            from n2d.applying.dask_arrays import lazily_denoised  # an extra

            images.cropped(region)  # complains of it
            results = lazily_denoised(
                self._tile_denoiser(), X, names, self.channel_axis, self.device, region
            )
        else:
            if region is None and out is None and self._planes is None:
                warn_unless_suits(self, images)
            results = self._results(images, names, region, out, callback)
        return tuple(results) if return_std else results[0]

    @undisturbed
    def transform_stages(self, X):
        """Denoise images and return the estimate after every stage.

        Parameters
        ----------
        X : array-like, or list of array-likes
            As for `transform`.

        Returns
        -------
        sklearn.utils.Bunch
            ``stage1``, partially denoised; ``stage2_factors``, a dict with an estimate
            for every downsampling factor; ``stage2``, mixed of these and stage 1 by the
            weights of `mixture_`;
            ``stage3``, which is what `transform` returns. Each like the result of
            `transform`.
        """
        names = ["stage1", "stage2", "stage3", *self.downsampling_factors_]
        found = self._results(self._images_to_transform(X), names)
        results = dict(zip(names, found, strict=True))
        factors = {r: results.pop(r) for r in self.downsampling_factors_}
        return Bunch(**results, stage2_factors=factors)

    @property
    def takes_neighbours(self):
        """Whether `stack` may be other than ``"independent"``."""
        return takes_neighbours(self)

    @property
    def precision_(self):
        """What `transform` computes in on this machine."""
        check_is_fitted(self)
        if not isinstance(self.networks_[0], PriorNetwork):
            return "float32"
        device = usable_device(self.device, fall_back=True)
        return settled_precision(device, self.precision)

    def _results(self, images, names, region=None, out=None, callback=None):
        """The estimates named, like X or in `out`; see `results_of`."""
        with contextlib.ExitStack() as stack:
            return results_of(
                self._tile_denoiser(),
                images,
                names,
                device=usable_device(self.device, fall_back=True),
                n_threads=torch.get_num_threads(),
                region=region,
                out=out,
                callback=reporting(callback, self.verbose, stack),
            )


def _generator(random_state):
    """A generator of its own, whatever the kind of `random_state`."""
    if isinstance(random_state, np.random.RandomState):
        random_state = random_state.randint(2**31)
    return np.random.default_rng(random_state)
