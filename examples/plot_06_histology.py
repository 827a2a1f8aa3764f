"""
Colour: a stained tissue section
================================

A colour image needs one word more: which axis holds the channels. It is never guessed,
since (3, H, W) could as well be three grey images.
"""

# %%
# The section
# -----------
# Immunohistochemistry that comes with scikit-image, a real picture, with noise added as
# a camera in weak light makes it: 40 photons in a white pixel.

import numpy as np
from skimage import data

from n2d.noise import add_poisson_gaussian_noise

clean = data.immunohistochemistry()[200:360, 250:410] / 255  # (H, W, 3)
noisy = add_poisson_gaussian_noise(clean, 1 / 40, 0.02, rng=np.random.default_rng(0))
print(clean.shape)

# %%
# Denoised
# --------
# n2d rotates the three channels to decorrelated ones, in which most of what is seen is
# in the first, and denoises all with one network. Non-local means share their weights
# among channels; BM3D takes channel by channel. All measure the
# noise and run with their defaults, n2d as well.

import n2d
from n2d.comparison import Case, compare_and_plot, summarize

registry = n2d.denoiser_registry()
methods = {
    "n2d": registry["n2d"](random_state=0),
    "vst-nlm": registry["vst-nlm"](),
    "vst-bm3d": registry["vst-bm3d"](denoiser=n2d.BM3DDenoiser(backend="bmnd")),
}
case = Case("IHC", noisy, clean, data_range=1, channel_axis=-1)
rows, figure = compare_and_plot(methods, case)
figure

# %%

print(summarize(rows))

# %%
# Stains, apart
# -------------
# What is measured on such sections is the amount of each stain. Colour deconvolution
# takes a logarithm, which raises the noise of dark pixels: denoise first. On the right
# is how far the amount of DAB (brown) is from the truth.

import matplotlib.pyplot as plt
from skimage.color import rgb2hed

denoised = n2d.Noise2DetailDenoiser(channel_axis=-1, random_state=0).fit_transform(
    noisy
)


def brown(image):
    """Amount of DAB in every pixel."""
    return rgb2hed(np.clip(image, 1e-3, 1))[..., 2]


drawing, axes = plt.subplots(1, 3, figsize=(9.6, 3.4), layout="constrained")
panels = {"noisy": noisy, "n2d": denoised, "clean": clean}
low, high = np.percentile(brown(clean), (0.5, 99.5))
for ax, (name, image) in zip(axes, panels.items(), strict=True):
    ax.imshow(brown(image), cmap="gray_r", vmin=low, vmax=high)
    error = np.sqrt(np.mean((brown(image) - brown(clean)) ** 2))
    ax.set_title(f"DAB, {name}\nroot mean square error {error:.3f}", fontsize=9)
    ax.set_axis_off()
