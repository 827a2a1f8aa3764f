"""
Measuring on denoised images: what is kept, what is not
=======================================================

Is a spot as bright after denoising as before? Spots and discs of known brightness, from
far above the noise to far below it, are measured before and after, and averaged over
six noisy versions of the scene, so that what remains is bias.
"""

# %%
# Spots and discs
# ---------------
# On a background of 100 photons, whose noise has a deviation of 10: 8 rows of 8 spots
# (standard deviation of 1.5 pixels) and of 8 discs (radius of 6 pixels). In each row
# they have the same height, from 2.5 to 160 photons, a quarter of the noise to sixteen
# times.

import numpy as np
from scipy import ndimage

heights = 10 * 2.0 ** np.linspace(-2, 4, 8)
pitch, side = 32, 256
y, x = np.mgrid[:side, :side]
place = np.arange(8) * pitch + pitch // 2
dots, discs = np.zeros((side, side)), np.zeros((side, side))
for row, height in zip(place, heights, strict=True):
    for column in place:
        distance = np.hypot(y - row, x - column)
        dots += height * np.exp(-(distance**2) / (2 * 1.5**2))
        discs += height * (distance < 6)
discs = ndimage.gaussian_filter(discs, 0.8)
scenes = {"spots": (100 + dots, 4, 8), "discs": (100 + discs, 4, 14)}

# %%
# Measured
# --------
# A spot's brightness is the mean in a circle of 4 pixels minus the mean in a ring
# around it, the usual way. A circle of 4 pixels within the discs measures their height.

import n2d

rng = np.random.default_rng(0)
methods = {
    "noisy": n2d.IdentityDenoiser(),
    "n2d": n2d.Noise2DetailDenoiser(random_state=0),
    "non-local means": n2d.denoiser_registry()["vst-nlm"](),
    "median": n2d.MedianDenoiser(),
}


def measured(image, inner, ring):
    """Brightness above the surroundings, for every row."""
    values = []
    for row in place:
        of_row = []
        for column in place:
            distance = np.hypot(y - row, x - column)
            around = (distance > ring) & (distance < ring + 2)
            of_row.append(image[distance <= inner].mean() - image[around].mean())
        values.append(np.mean(of_row))
    return np.array(values)


kept = {(scene, name): [] for scene in scenes for name in methods}
shifts = {name: [] for name in methods}
for _ in range(6):
    for scene, (clean, inner, ring) in scenes.items():
        noisy = rng.poisson(clean).astype(np.uint16)
        for name, denoiser in methods.items():
            result = denoiser.fit_transform(noisy)
            share = measured(result, inner, ring) / measured(clean, inner, ring)
            kept[scene, name].append(share)
            shifts[name].append(result.mean(dtype=float) - noisy.mean(dtype=float))

import matplotlib.pyplot as plt

drawing, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained", sharey=True)
for ax, scene in zip(axes, scenes, strict=True):
    for name in methods:
        ax.semilogx(heights / 10, np.mean(kept[scene, name], axis=0), "o-", label=name)
    ax.axhline(1, color="k", ls=":")
    ax.set(title=scene, xlabel="height over the deviation of the noise")
    ax.set_xticks([0.25, 0.5, 1, 2, 4, 8, 16], ["¼", "½", "1", "2", "4", "8", "16"])
    ax.minorticks_off()
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set(ylabel="brightness, share of the true one", ylim=(-0.2, 1.4))
axes[0].legend(fontsize=8, frameon=False)

# %%
# Strong things keep their brightness; weak ones lose it, the more the smaller they are,
# since what cannot be told from noise is taken for noise. The noisy image itself is
# without bias, however uncertain: **measure sums and means of weak things on the noisy
# image, and use the denoised one to find them.** What kept means exactly, in numbers:

print(f"{'height/noise':>12} " + " ".join(f"{h / 10:6.2f}" for h in heights))
for (scene, name), shares in kept.items():
    means = np.mean(shares, axis=0)
    print(f"{scene}, {name:>16}: " + " ".join(f"{share:6.2f}" for share in means))

# %%
# The mean of the whole image is kept, and so is the zero and the unit: an image that is
# scaled and shifted comes out scaled and shifted.

for name, values in shifts.items():
    print(f"shift of the mean, {name}: {np.mean(values):+.4f} of {clean.mean():.1f}")
denoiser = n2d.Noise2DetailDenoiser(precision="float32", random_state=0)
once = denoiser.fit_transform(noisy.astype(float))
again = denoiser.fit_transform(3 * noisy.astype(float) - 500)
error = np.abs(again - (3 * once - 500)).max()
print(f"largest error of f(3x - 500) = 3 f(x) - 500: {error:.1e}")

# %%
# The image itself
# ----------------

from n2d.comparison import plot_comparison

figure = plot_comparison(
    noisy,
    {"n2d": once, "non-local means": methods["non-local means"].fit_transform(noisy)},
    clean,
    data_range=160,
    columns=4,
    limits=(70, 200),
    inset=(64, 64, 96, 96),
)
figure
