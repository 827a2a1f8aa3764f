"""Neighbouring frames averaged where they agree: tensors in, tensors out.

Frames have noise of deviation 1. Each has been denoised alone: what that looks like,
and how sure the network is of it, says where frames show the same, and where what they
show has moved to. What is averaged are the noisy frames.
"""

import torch
from torch.nn import functional as F

#: Motion is settled in blocks of this side; windows begin at multiples of it.
BLOCK = 16

#: A pixel farther away than this, in any frame, does not change an average.
REACH = 112

# Motion is sought in so many steps of 4 pixels, then of 2, 1 and half a pixel.
_STEPS = 3

# Coarse steps compare blocks with so much around them, fine ones with so much. 8 for
# both won 0.07 dB more in what moves, at a third more of the time.
_AROUND, _FINELY_AROUND = 8, 2

# A block has moved where it differs by more than what the denoised frames may be off,
# and moved by less than this share of that. Without the first, noise moves what is
# flat: static scenes lost 0.6 dB (PSNR, 7 frames of FMD, SEM and generated scenes at
# 192 x 192); with shares of 0.5 to 0.85 results differed by 0.05 dB.
_WORTH_IT = 0.6

# A motion by a sample more has to differ by this share less.
_FARTHER = 1e-3

# What a unit of noise in the average costs, beside a unit of what frames differ by: the
# network leaves as much of the noise as it says it may be off, at most this, and all of
# the difference. A constant cost of 0.2 won 0.4 dB more in static scenes, and lost up
# to 2.8 dB where frames were strangers to each other.
_COST, _LEFT = 0.2, 0.5

# What frames differ by is judged in patches of so many cells of so many pixels. 3 x 3
# cells of 2 lost 0.1 dB in z-stacks and in static scenes.
_CELL, _PATCH = 4, 3

# What is too weak to be seen in denoised frames: means of cells of noisy ones, in
# windows of so many cells, every so many of them. They may differ by so many times what
# noise makes them differ by (mean square). Without that, strangers at 2 photons lost
# 0.9 dB.
_MEANS = ((4, 10, 2), (8, 9, 1), (8, 13, 1))
_CHANCE = 1.35

# What flashes in one frame differs in a single cell, by more than so many times what
# noise does. Of sparks of 6 deviations and 5 x 5 pixels 90 % are kept at least of what
# is kept without neighbours, 89 % without it; at 2.0 static scenes lost 0.08 dB, at 2.5
# they lose 0.01, and flickering ones 0.05. Other depths lost up to 0.5 dB.
_FLASH = 2.5

# Frames differ so much (mean square) where one of them was not seen.
_UNSEEN = 100.0

# What is in the noise of all frames, as the pattern of a detector is, is not averaged
# away: what is removed from them, alike in windows of so many cells of 8 x 8 pixels,
# beyond so many deviations of chance. Where all noise stays in its place, 7 frames lost
# 9.9 dB without (160 x 160 generated cells), where half of it does, 6.2.
_SHARED_IN, _SHARED_BY_CHANCE = 9, 3.0

# Samples half way between pixels: eight taps, after HEVC, that are flat up to most of
# what an image can hold.
_HALF = (-1 / 64, 4 / 64, -11 / 64, 40 / 64, 40 / 64, -11 / 64, 4 / 64, -1 / 64)


def average_of_neighbours(
    noisy, guides, errors, here, correlation, *, moving, variances=None
):
    """Average frames where they agree with one of them.

    Parameters
    ----------
    noisy : Tensor of shape (n, C, H, W)
        The frames, with noise of deviation 1; `BLOCK` divides H and W.
    guides : Tensor of shape (n, C, H, W)
        The same, denoised.
    errors : Tensor of shape (n, C, H, W)
        How far off these may be.
    here : int
        The frame that is asked for.
    correlation : Tensor of shape (C, 4, n_lags)
        Of the noise of every channel; see `n2d.core.prior_stages.PriorStages`.
    moving : bool
        Whether what they show may have moved.
    variances : Tensor of shape (n, H, W), optional
        Of the noise of the frames, where it is not 1; 1 in the frame asked for.

    Returns
    -------
    average : Tensor of shape (C, H, W)
        Of that frame and of those around, moved to where they belong.
    level : Tensor of shape (1, H, W)
        The deviation of its noise.

    Notes
    -----
    The average is y + sum a_i (y_i - y). Where the frames differ by d_i, it is off by
    sum a_i d_i, and it has the noise (1 - sum a)^2 + sum a_i^2. The weights minimise
    the square of the one, in a patch of 12 x 12 pixels, and what the network leaves of
    the other. Planes before and after that differ to either side, as in a gradient, are
    so weighed that what they differ by cancels. What noise frames have in common
    stays, and counts in the level.
    """
    others = [i for i in range(len(noisy)) if i != here]
    if variances is None:
        variances = torch.ones_like(guides[:, 0])
    theirs, moved, left, shared, beyond = [], [], [], [], []
    removed = noisy[here] - guides[here]
    for i in others:
        there, y, variance = guides[i], noisy[i], variances[i]
        outside = torch.zeros_like(variance)
        if moving:
            off = (errors[i].square() + errors[here].square()).sum(0)
            motion, finer = _motion(guides[here], there, off)
            if motion.any():
                motion = torch.stack([_spread(x, BLOCK) for x in motion])
                there, y = (_moved(x, motion, 2) for x in (finer, _finer(y)))
                finer_variance = _spread(variance, 2)[None]
                variance = _moved(finer_variance, motion, 2)[0]
                variance = variance * sum(h * h for h in _HALF) ** (motion % 2).sum(0)
                outside = _outside(motion, 2).to(variance)
        theirs.append(there)
        moved.append(y)
        left.append(variance)
        beyond.append(outside)
        product = ((y - there) * removed - errors[i] * errors[here]).mean(0)
        shared.append(_shared(product, correlation))
    left = torch.stack(left)
    off = _patches(errors.square().sum(1))
    apart = _products(torch.stack(theirs) - guides[here], _CELL, _PATCH)
    apart = _beyond(apart, off[others], off[here], moving)
    differences = torch.stack(moved) - noisy[here]
    for side, *window in _MEANS:
        apart = apart + _apart_in_means(
            differences, variances[others], correlation, side, *window
        )
    if moving:
        flashes = _flashes(differences, variances[others])
        apart = apart + torch.diag_embed(flashes.permute(1, 2, 0))
    # What lies beyond the border was not seen, whatever is put in its place.
    unseen = _UNSEEN * _patches(torch.stack(beyond))
    apart = apart + torch.diag_embed(unseen.permute(1, 2, 0))
    cost = (_LEFT * off[here]).clamp(max=_COST)
    weights = _weights(apart, _cells(left), cost)
    rest = 1 - sum(weights)
    average = rest * noisy[here]
    variance = rest.square()
    for a, y, v in zip(weights, moved, left, strict=True):
        average = average + a * y
        variance = variance + a.square() * v
    # Noise that frames share is in the average whatever the weights are.
    share = sum(a.abs() * x for a, x in zip(weights, shared, strict=True))
    share = share / sum(a.abs() for a in weights).clamp(min=1e-6)
    variance = variance + share * (1 - variance).clamp(min=0)
    return average, variance.sqrt()[None]


def _products(x, side, window, step=1):
    """Mean products (h, w, n, n) of n images (n, C, H, W), in windows of cells."""
    n, c, height, width = x.shape
    x = x.reshape(n, c, height // side, side, width // side, side)
    x = x.permute(2, 4, 0, 1, 3, 5).flatten(3)  # (h, w, n, C side side)
    found = x @ x.transpose(2, 3) / side**2
    return (
        _means(found.flatten(2).permute(2, 0, 1), window, step)
        .permute(1, 2, 0)
        .unflatten(2, (n, n))
    )


def _apart_in_means(differences, variances, correlation, side, window, step):
    """What noisy frames differ by, as far as means of cells show it, in windows."""
    variance = _variance_of_means(correlation, side)  # (C,)
    means = F.avg_pool2d(differences, side)
    means = means / (len(variance) * variance).sqrt()[:, None, None]
    products = _products(means, 1, window, step)
    # Each of two frames has the noise.
    chance = _CHANCE * F.avg_pool2d(variances, side * step)
    found = _beyond(products, chance, torch.full_like(chance[0], _CHANCE))
    found = found * variance.sum()
    return _spread(found, side * step // _CELL)


def _flashes(differences, variances):
    """What noisy frames (n, C, H, W) differ by in single cells beyond their noise."""
    chance = _FLASH * differences.shape[1] * (1 + _cells(variances))
    return (_cells(differences.square().sum(1)) - chance).clamp(min=0)


def _beyond(products, own, common, surely=False):
    """Products (h, w, n, n) of differences without what errors add to them.

    Each has errors of its own (n, h, w), and all those of what is common to them (h,
    w), mean squares. Nothing is left in directions in which there is less than that.
    """
    errors = common[..., None] + own.permute(1, 2, 0)  # (h, w, n)
    rest = products - common[..., None, None] - torch.diag_embed(own.permute(1, 2, 0))
    # Without LAPACK, as on Apple's graphics processors, the processor does it.
    on = rest.cpu() if rest.device.type == "mps" else rest
    squares, axes = torch.linalg.eigh(on)
    found = axes * squares.clamp(min=0)[..., None, :] @ axes.transpose(-1, -2)
    found = found.to(rest.device)
    if not surely:
        return found
    # Only what differs for sure may cancel: else a flash of one frame would be used to
    # cancel errors of the others, and 6 % of it were in the frames beside it. In
    # z-stacks, which have no such events, this lost 0.5 dB.
    square = products.diagonal(dim1=2, dim2=3).clamp(min=1e-12)
    real = (1 - errors / square).clamp(min=0).sqrt()
    joint = real[..., None] * real[..., None, :]
    alone = found.diagonal(dim1=2, dim2=3) * (1 - real.square())
    return found * joint + torch.diag_embed(alone)


def _variance_of_means(correlation, side):
    """Variance (C,) of means of cells of noise that has deviation 1."""
    n = min(side - 1, correlation.shape[-1])
    along = side - torch.arange(1.0, n + 1, device=correlation.device)
    share = 1 + 2 * (along * correlation[:, :2, :n]).sum(-1) / side
    return share.clamp(min=0.3).prod(1) / side**2


def _shared(product, correlation):
    """What share of their noise two frames have in common, from its product (H, W).

    What was taken away of the scene is alike in both, too: no more than they are off.
    """
    side = 8
    # Means of correlated noise are as sure as those of fewer pixels.
    alike = side**2 * _variance_of_means(correlation, side).max().clamp(min=1 / side**2)
    chance = _SHARED_BY_CHANCE * alike.sqrt() / (side * _SHARED_IN)
    seen = _means(F.avg_pool2d(product[None], side), _SHARED_IN)[0]
    return _spread((seen * (seen > chance)).clamp(max=1), side)


def _weights(apart, variances, cost):
    """Weights (n, H, W) of all other frames; see `average_of_neighbours`."""
    system = apart + cost[..., None, None]
    noise = cost[..., None] * variances.permute(1, 2, 0)
    right = cost[..., None].expand_as(noise)
    found = torch.linalg.solve(system + torch.diag_embed(noise), right)
    found = found.permute(2, 0, 1)[None]
    return F.interpolate(
        found, scale_factor=_CELL, mode="bilinear", align_corners=False
    )[0]


def _cells(x):
    """Means of cells of (n, H, W)."""
    return F.avg_pool2d(x, _CELL)


def _patches(x):
    """Means of patches around every cell of (n, H, W)."""
    return _means(_cells(x), _PATCH)


def _means(x, side, step=1):
    """Means of squares of a side around every `step` places of (n, H, W)."""
    return F.avg_pool2d(x, side, step, (side - step) // 2, count_include_pad=False)


def _spread(x, side):
    """Every value of (H, W, ...) in a square."""
    return x.repeat_interleave(side, 0).repeat_interleave(side, 1)


# -- motion ----------------------------------------------------------------------------


def _motion(here, there, off):
    """Where blocks of `here` are in `there` (C, H, W), in half pixels.

    Returns (2, H / BLOCK, W / BLOCK), 0 where no motion is evident, and `there` in half
    pixels, if there is any. `off` is the square (H, W) that they may differ by without.
    """
    still = _block_means((here - there).square().sum(0))
    evident = still > _block_means(off)
    motion = torch.zeros((2, *still.shape), dtype=torch.long, device=here.device)
    blocks = evident.nonzero()  # (K, 2)
    if not len(blocks):
        return motion, None
    found = torch.zeros_like(blocks)
    for reduced, steps, around in (
        (4, _STEPS, _AROUND),
        (2, 1, _AROUND),
        (1, 1, _FINELY_AROUND),
    ):
        coarse, other = (F.avg_pool2d(x, reduced) for x in (here, there))
        tops = (blocks * BLOCK - around) // reduced
        windows = _windows(coarse, tops, (BLOCK + 2 * around) // reduced)
        found, _ = _best(windows, other, tops, found // reduced, steps, 1)
        found = found * reduced
    _, unmoved = _best(windows, there, tops, torch.zeros_like(blocks), 0, 1)
    finer = _finer(there)
    found, moved = _best(windows, finer, tops, 2 * found, 1, 2)
    worth_it = moved < _WORTH_IT * unmoved
    motion[:, blocks[:, 0], blocks[:, 1]] = (found * worth_it[:, None]).T
    return motion, finer


def _best(windows, there, tops, motion, steps, finer):
    """The best of motions (K, 2) around some, and by how much windows differ then.

    Windows (C, K, side, side) begin at `tops` (K, 2). `there` has `finer` times as many
    samples, and motions are in these.
    """
    side = windows.shape[-1]
    reach = finer * side + 2 * steps - finer + 1
    around = _windows(there, finer * tops + motion - steps, reach)
    costs, candidates = [], []
    for dy in range(2 * steps + 1):
        for dx in range(2 * steps + 1):
            rows = slice(dy, dy + finer * (side - 1) + 1, finer)
            columns = slice(dx, dx + finer * (side - 1) + 1, finer)
            apart = (around[..., rows, columns] - windows).square_()
            costs.append(apart.sum((0, 2, 3)) / side**2)
            candidates.append((dy - steps, dx - steps))
    costs, moved = torch.stack(costs), motion + motion.new_tensor(candidates)[:, None]
    # Of motions as good as each other, as in what is put beyond the border, the least.
    best = (costs * (1 + _FARTHER * moved.abs().sum(2))).argmin(0)[None]
    return moved.gather(0, best[..., None].expand(-1, -1, 2))[0], costs.gather(0, best)[
        0
    ]


def _windows(x, tops, side):
    """Squares (C, K, side, side) of x (C, H, W); its border goes on beyond it."""
    steps = torch.arange(side, device=x.device)
    rows = (tops[:, :1] + steps).clamp(0, x.shape[1] - 1)
    columns = (tops[:, 1:] + steps).clamp(0, x.shape[2] - 1)
    place = rows[:, :, None] * x.shape[2] + columns[:, None, :]
    found = x.flatten(1).index_select(1, place.flatten())
    return found.unflatten(1, place.shape)


def _block_means(x):
    """Means (H / BLOCK, W / BLOCK) of blocks of (H, W) and what is around them."""
    side = BLOCK + 2 * _AROUND
    return F.avg_pool2d(x[None], side, BLOCK, _AROUND, count_include_pad=False)[0]


def _moved(x, motion, finer):
    """Samples of x (C, finer H, finer W) where they have moved to, (C, H, W)."""
    _, height, width = motion.shape
    rows, columns = (
        torch.arange(0, finer * n, finer, device=x.device) for n in (height, width)
    )
    rows = (rows[:, None] + motion[0]).clamp(0, x.shape[1] - 1)
    columns = (columns + motion[1]).clamp(0, x.shape[2] - 1)
    place = rows * x.shape[2] + columns
    return x.flatten(1).index_select(1, place.flatten()).reshape(-1, height, width)


def _outside(motion, finer):
    """Whether places (H, W) have moved to beyond the border."""
    _, height, width = motion.shape
    rows, columns = (
        torch.arange(0, finer * n, finer, device=motion.device) for n in (height, width)
    )
    rows, columns = rows[:, None] + motion[0], columns + motion[1]
    inside = (rows >= 0) & (rows < finer * height)
    return ~(inside & (columns >= 0) & (columns < finer * width))


def _finer(x):
    """Twice as many samples along both axes of (C, H, W)."""
    x = torch.stack([x, _between(x, 1)], 2).flatten(1, 2)
    return torch.stack([x, _between(x, 2)], 3).flatten(2, 3)


def _between(x, axis):
    """Samples half a pixel further along an axis of (C, H, W)."""
    n, side = len(_HALF) // 2, x.shape[axis]
    pad = (0, 0, n - 1, n) if axis == 1 else (n - 1, n, 0, 0)
    x = F.pad(x[None], pad, mode="replicate")[0]
    return sum(
        _HALF[k] * (x.narrow(axis, k, side) + x.narrow(axis, 2 * n - 1 - k, side))
        for k in range(n)
    )
