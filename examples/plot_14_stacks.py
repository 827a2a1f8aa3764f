"""
A time series with its neighbours: film strip, kymograph, and what is lost
==========================================================================

Frames of one recording show nearly the same thing, and ``stack="time"`` makes use of
it: where frames agree, several of them are denoised together, and where they do not,
every frame stands alone. What that gives, and what it may take away, on a generated
recording whose truth is known.
"""

# %%
# A recording
# -----------
# Cells drift by half a pixel per frame, spots go on and off, and once, for a single
# frame, there is a spark: 5 x 5 pixels, 6 standard deviations of the noise.

import numpy as np

from n2d.datasets import cell_movie
from n2d.noise import add_poisson_gaussian_noise

gain, read_noise = 0.03, 0.03
movie = cell_movie(20, (128, 128), drift=(0.3, 0.4), n_blinking=6, rng=3)
clean = movie.frames.astype(float)
SPARK = (10, slice(78, 83), slice(22, 27))
amplitude = 6 * np.sqrt(gain * clean[SPARK].mean() + read_noise**2)
clean[SPARK] += amplitude
noisy = add_poisson_gaussian_noise(clean, gain, read_noise, rng=0)

# %%
# Alone, with neighbours, averaged
# --------------------------------
# ``"independent"`` is the default: what axis 0 of an array means is for you to say.

from n2d import Noise2DetailDenoiser
from n2d.baselines import TemporalMeanDenoiser
from n2d.metrics import psnr

results = {
    "noisy": noisy,
    "each alone": Noise2DetailDenoiser(random_state=0).fit_transform(noisy),
    "with neighbours": Noise2DetailDenoiser(stack="time", random_state=0).fit_transform(
        noisy
    ),
    "mean of 5 frames": TemporalMeanDenoiser().fit_transform(noisy),
    "truth": clean,
}
for name, frames in list(results.items())[:-1]:
    values = [psnr(x, y, 1) for x, y in zip(clean, frames, strict=True)]
    print(f"{name:18} {np.mean(values):.2f} dB, worst frame {min(values):.2f} dB")

# %%
# Film strip
# ----------
# Five frames in a row. The spark is the square in the third of them.

import matplotlib.pyplot as plt

figure, axes = plt.subplots(5, 5, figsize=(9, 9), layout="constrained")
for line, (name, frames) in zip(axes, results.items(), strict=True):
    for ax, t in zip(line, range(8, 13), strict=True):
        ax.imshow(frames[t, 48:, :80], cmap="gray", vmin=0, vmax=0.8)
        ax.set(xticks=[], yticks=[], title=f"frame {t}" if name == "noisy" else "")
    line[0].set_ylabel(name)

# %%
# Kymograph
# ---------
# One row of pixels over time, time downwards. What drifts draws oblique lines; a mean
# over frames makes them broad, and a blinking spot begins before it is there.

spot = movie.positions[movie.traces.max(axis=1).argmax(), 10]
row = round(spot[0])
figure, axes = plt.subplots(1, 5, figsize=(11, 2.4), layout="constrained")
for ax, (name, frames) in zip(axes, results.items(), strict=True):
    ax.imshow(frames[:, row], cmap="gray", vmin=0, vmax=0.8, aspect="auto")
    ax.set(xticks=[], yticks=[], title=name)
axes[0].set_ylabel("frame")

# %%
# An event of one frame
# ---------------------
# How much of the spark is left, and how much of it is in the frames beside it? The
# answer is the difference between the recording denoised with the spark and without.

without = noisy.copy()
without[SPARK] -= amplitude
for name, denoiser in {
    "each alone": Noise2DetailDenoiser(random_state=0),
    "with neighbours": Noise2DetailDenoiser(stack="time", random_state=0),
    "mean of 5 frames": TemporalMeanDenoiser(),
}.items():
    denoiser.fit(noisy)
    response = denoiser.transform(noisy) - denoiser.transform(without)
    left = response[:, SPARK[1], SPARK[2]].mean(axis=(1, 2)) / amplitude
    beside = np.abs(np.delete(left, 10)).max()
    print(f"{name:18} {left[10]:4.0%} of the peak, {beside:4.0%} beside it")

# %%
# Neighbours are used where they agree with the frame to be denoised, as far as the
# noise lets one tell. A weaker event in a single frame looks like noise, alone as well
# as with neighbours: for a finding that matters, look at the noisy frames, too, and
# compare with ``stack="independent"``.
