"""
Denoise, threshold, label: counting nuclei
==========================================

A denoiser is a means. Here the end is a number: how many nuclei are there? The same
pipeline counts them with and without denoising, at six light levels, and the truth is
known.
"""

# %%
# Nuclei
# ------
# 60 ellipses with an uneven surface, none touching another, on an uneven background.

import numpy as np
from scipy import ndimage
from skimage.draw import ellipse


def field_of_nuclei(rng, side=256, count=60):
    """Draw nuclei, and a map of labels that says which pixel belongs to which."""
    labels = np.zeros((side, side), int)
    brightness = np.zeros((side, side))
    while labels.max() < count:
        row, column = rng.uniform(12, side - 12, 2)
        height, width = rng.uniform(6, 10, 2)
        angle = rng.uniform(0, np.pi)
        grown = ellipse(
            row, column, height + 3, width + 3, shape=labels.shape, rotation=angle
        )
        if labels[grown].any():
            continue
        body = ellipse(row, column, height, width, shape=labels.shape, rotation=angle)
        labels[body] = labels.max() + 1
        brightness[body] = rng.uniform(0.5, 1)
    texture = ndimage.gaussian_filter(rng.normal(size=labels.shape), 1.5)
    uneven = ndimage.gaussian_filter(rng.normal(size=labels.shape), 60)
    image = brightness * (1 + 0.6 * texture) + 0.1 + 0.1 * uneven / uneven.std()
    return np.clip(ndimage.gaussian_filter(image, 1.0), 0.01, None), labels


rng = np.random.default_rng(0)
clean, truth = field_of_nuclei(rng)

# %%
# From an image to labels
# -----------------------
# Otsu's threshold, small specks and holes removed, connected parts numbered. A nucleus
# is found if a part overlaps it by more than half of their union; F1 counts what was
# found against what was missed and what was invented.

from skimage.filters import threshold_otsu
from skimage.measure import label


def segmented(image, smallest=30):
    """Number the bright parts of an image."""
    parts = label(ndimage.binary_fill_holes(image > threshold_otsu(image)))
    sizes = np.bincount(parts.ravel())
    parts[sizes[parts] < smallest] = 0
    return label(parts > 0)


def f1(found):
    """How well parts agree with the nuclei."""
    both = np.zeros((found.max() + 1, truth.max() + 1))
    np.add.at(both, (found.ravel(), truth.ravel()), 1)
    union = both.sum(1)[:, None] + both.sum(0) - both
    hits = int((both / union > 0.5)[1:, 1:].sum())
    return 2 * hits / (found.max() + truth.max())


print("without noise:", segmented(clean).max(), "parts, F1", f1(segmented(clean)))

# %%
# Six light levels
# ----------------
# From 30 photons in a bright pixel down to 1. The blur has its width by Mallows'
# statistic; it and n2d measure the noise on the image.

import n2d
from n2d.noise import add_poisson_gaussian_noise

photons = [1, 2, 4, 8, 15, 30]
denoisers = {
    "not denoised": n2d.IdentityDenoiser(),
    "Gaussian blur": n2d.GaussianDenoiser(),
    "n2d": n2d.Noise2DetailDenoiser(random_state=0),
}
counts = {name: [] for name in denoisers}
scores = {name: [] for name in denoisers}
examples = {}
for peak in photons:
    noisy = add_poisson_gaussian_noise(clean, 1 / peak, 0.05, rng=rng)
    for name, denoiser in denoisers.items():
        result = denoiser.fit_transform(noisy)
        found = segmented(result)
        counts[name].append(found.max())
        scores[name].append(f1(found))
        if peak == 2:
            examples[name] = result, found

import matplotlib.pyplot as plt

drawing, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
for name in denoisers:
    left.semilogx(photons, counts[name], "o-", label=name)
    right.semilogx(photons, scores[name], "o-", label=name)
left.axhline(truth.max(), color="k", ls=":", label="truth")
left.set(ylabel="parts counted")
right.set(ylabel="F1")
for ax in (left, right):
    ax.set_xlabel("photons in a bright pixel")
    ax.set_xticks(photons, photons)
    ax.minorticks_off()
    ax.legend(fontsize=8, frameon=False)
    ax.spines[["top", "right"]].set_visible(False)

# %%
# What was counted, at 2 photons
# ------------------------------
# All on one grey scale. Green: outlines of what was taken for a nucleus.

from skimage.segmentation import find_boundaries

drawing, axes = plt.subplots(2, 3, figsize=(9.6, 6.8), layout="constrained")
low, high = np.percentile(clean, (0.1, 99.9))
for column, (name, (result, found)) in zip(axes.T, examples.items(), strict=True):
    grey = np.clip((result - low) / (high - low), 0, 1)
    picture = np.repeat(grey[..., None], 3, axis=-1)
    column[0].imshow(picture)
    column[0].set_title(
        f"{name}\n{found.max()} of {truth.max()}, F1 {f1(found):.2f}", size=9
    )
    picture[find_boundaries(found, mode="inner")] = 0.2, 0.9, 0.2
    column[1].imshow(picture[64:192, 64:192])
    for ax in column:
        ax.set_axis_off()

# %%
# And the images themselves
# -------------------------

from n2d.comparison import plot_comparison

noisy = examples["not denoised"][0]
estimates = {name: examples[name][0] for name in ("Gaussian blur", "n2d")}
figure = plot_comparison(
    noisy, estimates, clean, data_range=1, columns=4, inset=(80, 80, 64, 64)
)
figure
