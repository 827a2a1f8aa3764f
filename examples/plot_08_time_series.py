"""
A time series: fit on some frames, denoise all
==============================================

Frames of one recording have the same kind of noise. ``fit`` settles what depends on the
data, the noise above all, and ``transform`` applies it to as many frames as there are.
Every frame comes out as it would alone, so that neither blinking nor movement is
smeared over time, and one scale serves them all, so that intensities can be compared
between frames.
"""

# %%
# A recording
# -----------
# A field of cells that drifts by 1.5 pixels per frame and bleaches by 4 %, and a spot
# that blinks. It is generated, in a manner that n2d's network has seen in training.

import numpy as np
from scipy import ndimage

from n2d.datasets import fluorescence_cells
from n2d.noise import add_poisson_gaussian_noise

rng = np.random.default_rng(5)
field = fluorescence_cells((160, 220), rng=5).astype(float)
spot = np.zeros((160, 160))
spot[118, 120] = 1
spot = ndimage.gaussian_filter(spot, 1.6)
spot *= 0.8 / spot.max()
on = np.arange(24) // 3 % 2 == 1
clean = np.stack(
    [
        0.96**t * ndimage.shift(field, (0, -1.5 * t), order=1)[:, :160] + on[t] * spot
        for t in range(24)
    ]
)
noisy = add_poisson_gaussian_noise(clean, 0.03, 0.03, rng=rng)
print(noisy.shape)

# %%
# Fit on three frames, transform all
# ----------------------------------
# The first, the middle and the last, so that the brightest and the darkest are among
# them.

import time

from n2d import Noise2DetailDenoiser

denoiser = Noise2DetailDenoiser(random_state=0).fit(noisy[[0, 12, 23]])
start = time.perf_counter()
denoised = denoiser.transform(noisy)
print(f"{(time.perf_counter() - start) / len(noisy):.2f} s per frame")

# %%
# A frame
# -------
# Beside it, the average over five frames, which is what noise is often fought with:
# what moves is smeared. The residual shows it.

from n2d.comparison import plot_comparison

average = ndimage.uniform_filter1d(noisy, 5, axis=0)
figure = plot_comparison(
    noisy[16],
    {"n2d": denoised[16], "average of 5 frames": average[16]},
    clean[16],
    data_range=1,
    columns=4,
    inset=(96, 96, 48, 48),
)
figure

# %%
# Over time
# ---------
# Left: the PSNR of every frame; a fit to each frame by itself is no better. Right: the
# intensity of the blinking spot, in a circle of 3 pixels. It goes on and off within one
# frame, as in truth.

import matplotlib.pyplot as plt

from n2d.metrics import psnr

single = [Noise2DetailDenoiser(random_state=0).fit_transform(y) for y in noisy[::4]]
rows, columns = np.ogrid[:160, :160]
inside = (rows - 118) ** 2 + (columns - 120) ** 2 <= 9

drawing, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
for name, series in {"noisy": noisy, "average of 5": average, "n2d": denoised}.items():
    values = [psnr(x, y, 1) for x, y in zip(clean, series, strict=True)]
    left.plot(values, label=name)
left.plot(
    range(0, 24, 4),
    [psnr(x, y, 1) for x, y in zip(clean[::4], single, strict=True)],
    "kx",
    label="n2d, each frame its own fit",
)
left.set(xlabel="frame", ylabel="PSNR in dB")
for name, series, style in (
    ("noisy", noisy, "-"),
    ("average of 5", average, "-"),
    ("n2d", denoised, "-"),
    ("truth", clean, "k:"),
):
    right.plot(series[:, inside].mean(axis=1), style, label=name)
right.set(xlabel="frame", ylabel="mean intensity of the spot")
for ax in (left, right):
    ax.legend(fontsize=8, frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
