"""
Checking a result without a clean image; when it fails
======================================================

With an image of your own there is nothing to compare with. What can still be looked at:
what was taken away, the score, and, where the scene was taken twice, the other capture.
And three ways in which it goes wrong, so that you know them when you see them.
"""

# %%
# A good result
# -------------

import numpy as np
from skimage import data

from n2d import GaussianDenoiser, Noise2DetailDenoiser
from n2d.diagnostics import check_residual, fourier_ring_correlation
from n2d.noise import (
    add_correlated_noise,
    add_gaussian_noise,
    add_poisson_gaussian_noise,
    add_rician_noise,
    remove_rician_bias,
)

rng = np.random.default_rng(0)
clean = data.camera()[20:276, 80:336] / 255
first = add_poisson_gaussian_noise(clean, 1 / 40, 0.03, rng=rng)
second = add_poisson_gaussian_noise(clean, 1 / 40, 0.03, rng=rng)

denoiser = Noise2DetailDenoiser(random_state=0).fit(first)
denoised = denoiser.transform(first)
blur = GaussianDenoiser(blur=2).fit(first)
blurred = blur.transform(first)
print("n2d, score", round(denoiser.score(first), 3))
print(check_residual(first, denoised))
print("\nblur of 2 pixels, score", round(blur.score(first), 3))
print(check_residual(first, blurred))

# %%
# The residual of n2d has about the level of the noise, no correlation with the signal
# to speak of, and neighbours correlated a little below 0, as the residual of every
# smoother has. That of the blur has the scene in it: a level above 1, and correlated
# neighbours.

from n2d.comparison import plot_comparison

figure = plot_comparison(
    first, {"n2d": denoised, "blur of 2 pixels": blurred}, inset=(60, 110, 64, 64)
)
figure

# %%
# A second capture
# ----------------
# Two images of the same scene have nothing in common but the scene. The Fourier ring
# correlation of a denoised one with a *noisy* other one cannot be raised by what the
# denoiser makes up. A linear filter like the blur does not change it.

import matplotlib.pyplot as plt

drawing, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
for name, image in {"noisy": first, "n2d": denoised, "blurred": blurred}.items():
    rings = fourier_ring_correlation(image, second)
    ax.plot(rings.frequency, rings.correlation, label=name)
ax.set(xlabel="cycles per pixel", ylabel="correlation with\na noisy second capture")
ax.legend(fontsize=8, frameon=False)
ax.spines[["top", "right"]].set_visible(False)

# %%
# Where it fails: texture as weak as the noise
# --------------------------------------------
# Grass is fine texture everywhere. Where it is weaker than the noise, little tells the
# two apart, and most of it goes. By eye the residual is noise; the one trace is its
# correlation with the signal, well above 0.

texture = data.grass()[:320:2, :320:2] / 255
texture = 0.5 + 0.05 * (texture - texture.mean()) / texture.std()
noisy = add_gaussian_noise(texture, 0.12, rng=rng)
result = Noise2DetailDenoiser(random_state=0).fit_transform(noisy)
kept = np.cov(result.ravel(), texture.ravel())[0, 1] / texture.var()
print(f"deviation of the texture: {np.std(texture):.3f}, of the noise: 0.12")
print(f"contrast kept: {100 * kept:.0f} %")
print(check_residual(noisy, result))
figure = plot_comparison(noisy, {"n2d": result}, texture, data_range=1)
figure

# %%
# Where it is hard: noise that is blurred by a pixel or more
# ----------------------------------------------------------
# Noise whose neighbours are correlated by 0.5, as in many scanners and cameras, is
# measured as well as white noise. Noise that a filter of the microscope or scanner has
# smeared by a pixel or more looks like small structure: in half of all cases its level
# is off by a fifth and more. Where it is taken for structure, next to nothing is
# removed, and ``noise_.level`` is far below what the eye sees. The remedy is to pull it
# apart: average blocks of 2 x 2 pixels, since the image holds no finer detail anyway.

noisy = add_correlated_noise(clean, 0.1, 1.0, rng=rng)
denoiser = Noise2DetailDenoiser(random_state=0)
result = denoiser.fit_transform(noisy)
print(f"measured level {denoiser.noise_.level:.3f}, true 0.1")


def binned(image):
    """Average blocks of 2 x 2 pixels."""
    return image.reshape(128, 2, 128, 2).mean(axis=(1, 3))


denoiser = Noise2DetailDenoiser(random_state=0)
small = denoiser.fit_transform(binned(noisy))
print(f"after averaging blocks: {denoiser.noise_.level:.3f}")
figure = plot_comparison(
    binned(noisy),
    {"n2d, then blocks averaged": binned(result), "blocks averaged, then n2d": small},
    binned(clean),
    data_range=1,
    columns=4,
)
figure

# %%
# Where it fails: magnitude images of magnetic resonance
# ------------------------------------------------------
# Rician noise raises the dark background, in every capture alike. Denoising gives its
# mean, which is too bright, and no score or residual can know. Who knows that it is a
# magnitude can undo it, with the level of the noise from where there is no signal.

scan = np.zeros((160, 160))
rows, columns = np.ogrid[:160, :160]
scan[(rows - 80) ** 2 + ((columns - 80) / 0.8) ** 2 < 3600] = 0.6
scan[(rows - 70) ** 2 + (columns - 60) ** 2 < 200] = 0.9
noisy = add_rician_noise(scan, 0.12, rng=rng)
result = Noise2DetailDenoiser(random_state=0).fit_transform(noisy)
signal = remove_rician_bias(result, noisy[:20, :20].mean() / 1.2533)
print(f"background: true 0, denoised {result[:20, :20].mean():.3f}")
print(f"bias removed: {signal[:20, :20].mean():.3f}")
results = {"n2d": result, "n2d, bias removed": signal}
figure = plot_comparison(noisy, results, scan, data_range=1)
figure
