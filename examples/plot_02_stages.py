"""
What each stage does
====================

Noise2Detail works in three stages [1]_. Here they are, drawn from a real run of the
published networks and losses on one small image: ``init="random"`` starts from
untrained weights, and sees nothing but this image.

.. [1] T. Chobola, J. A. Schnabel, T. Peng, "Lightweight Data-Free Denoising for
    Detail-Preserving Biomedical Image Restoration", MICCAI 2025, arXiv:2510.15611
"""

# %%
# Two noisy images out of one
# ---------------------------
# The idea that makes learning from one image possible: averaging the two diagonals of
# every 2 x 2 block gives two images of half the size. They show nearly the same scene,
# and their noise is independent, so that a network that predicts one from the other can
# predict the scene, but not the noise.

import matplotlib.pyplot as plt
import numpy as np
import torch
from skimage import data

from n2d.core.sampling import pair_downsample
from n2d.noise import add_gaussian_noise

clean = data.camera()[40:200, 130:290] / 255
noisy = add_gaussian_noise(clean, 25 / 255, rng=np.random.default_rng(0))
first, second = (
    half.numpy()[0, 0]
    for half in pair_downsample(torch.from_numpy(noisy)[None, None].float())
)

drawing, axes = plt.subplots(1, 4, figsize=(9.6, 2.9), layout="constrained")
panels = {
    "noisy y": (noisy, 0, 1),
    "D1 y": (first, 0, 1),
    "D2 y": (second, 0, 1),
    "D1 y \N{MINUS SIGN} D2 y": (first - second, -0.4, 0.4),
}
for ax, (name, (image, low, high)) in zip(axes, panels.items(), strict=True):
    ax.imshow(image, cmap="gray", vmin=low, vmax=high)
    ax.set_title(f"{name}, {image.shape[0]} x {image.shape[1]}", fontsize=9)
    ax.set_axis_off()

# %%
# The difference is mostly noise. Where it shows edges, the two halves do not quite see
# the same scene: that is where stage 1 loses detail, and what stage 3 is for.
#
# The three stages
# ----------------
# ``transform_stages`` returns the estimate after every stage.

from n2d import Noise2DetailDenoiser
from n2d.comparison import plot_comparison

denoiser = Noise2DetailDenoiser(init="random", random_state=0)
stages = denoiser.fit(noisy).transform_stages(noisy)

estimates = {
    "stage 1: d1": stages.stage1,
    "factor 2: p2": stages.stage2_factors[2],
    "factor 4: p4": stages.stage2_factors[4],
    "stage 2: d2": stages.stage2,
    "stage 3: result": stages.stage3,
}
figure = plot_comparison(
    noisy, estimates, clean, data_range=1, columns=4, inset=(58, 84, 56, 56)
)
figure

# %%
# - **Stage 1** has removed most of the noise, and left blotches.
# - **Stage 2** needs no training: the image is pulled apart into 4 (or 16) images of
#   pixels that were 2 (or 4) apart, denoised, put together and denoised again. What was
#   correlated between neighbours is broken up. d2 is the mean of d1, p2 and p4: smooth,
#   with some detail lost, which shows in its residual.
# - **Stage 3** trains a second network to predict the noisy image from the smooth d2.
#   It brings detail back.
#
# What training looked like
# -------------------------
# The loss of each stage before every step. A quarter of the image is held out; a stage
# ends early when the loss on it settles.

steps = np.arange(1, denoiser.n_iter_ + 1)
curve, ax = plt.subplots(figsize=(7, 2.8), layout="constrained")
ax.semilogy(steps, denoiser.loss_curve_, lw=0.8)
ax.set(xlabel="step of both stages together", ylabel="loss")
ax.set_title(f"{denoiser.n_iter_} steps; {denoiser.stop_reason_}", fontsize=9)
ax.spines[["top", "right"]].set_visible(False)

# %%
# The network trained beforehand
# ------------------------------
# The default applies a network that was trained on generated scenes only; the noise of
# the image is measured and taken into account, and nothing is trained on it. Its first
# estimate is as good as its last, so that stages 2 and 3 are off; here they are on, for
# the comparison.

learned = Noise2DetailDenoiser(
    downsampling_factors=(2, 4), detail_max_iter=100, random_state=0
)
stages = learned.fit(noisy).transform_stages(noisy)
print(
    "weights of d1, p2, p4:",
    {k: round(float(v), 3) for k, v in learned.mixture_.items()},
)

figure = plot_comparison(
    noisy,
    {
        "stage 1: d1": stages.stage1,
        "stage 2: d2": stages.stage2,
        "stage 3: result": stages.stage3,
    },
    clean,
    data_range=1,
    columns=5,
    inset=(58, 84, 56, 56),
)
figure
