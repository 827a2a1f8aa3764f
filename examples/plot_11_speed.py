"""
Speed against quality
=====================

All denoisers of the package on one image: how long does each take, and what does one
get for it? Every method has its defaults and measures the noise itself.
"""

# %%
# The race
# --------
# The photograph that comes with scikit-image, 128 x 128 pixels of it, with 30 photons
# in a white pixel. A small image is denoised by all first, since libraries are loaded,
# and BM3D's code is compiled, the first time they are used. ``n2d-random`` is the fast
# solver started from untrained weights, ``zs-n2n`` Zero-Shot Noise2Noise: both train on
# the image.

import numpy as np
from skimage import data

import n2d
from n2d.comparison import Case, compare_and_plot, summarize
from n2d.noise import add_poisson_gaussian_noise

clean = data.camera()[60:188, 150:278] / 255
noisy = add_poisson_gaussian_noise(clean, 1 / 30, 0.01, rng=np.random.default_rng(0))

registry = n2d.denoiser_registry()
methods = {
    name: registry[name]()
    for name in (
        "n2d",
        "vst-nlm",
        "vst-tv",
        "vst-wavelet",
        "bilateral",
        "gaussian",
        "median",
        "n2d-random",
        "zs-n2n",
    )
}
methods["vst-bm3d"] = registry["vst-bm3d"](denoiser=n2d.BM3DDenoiser(backend="bmnd"))
trained = {"n2d-random", "zs-n2n"}
small = Case("small", noisy[:32, :32])
compare_and_plot({k: v for k, v in methods.items() if k not in trained}, small)

case = Case("photograph", noisy, clean, data_range=1)
rows, figure = compare_and_plot(methods, case, columns=4, inset=(56, 56, 44, 44))
print(summarize(rows))

# %%
# Processor seconds, of all threads together, are what to compare: they depend least on
# what else the machine does. Note the logarithmic axis.

import matplotlib.pyplot as plt

# sphinx_gallery_thumbnail_number = 2

drawing, ax = plt.subplots(figsize=(8, 4.4), layout="constrained")
for row in rows:
    seconds = max(row["cpu_seconds"], 1e-3)
    color = "C1" if row["method"].startswith("n2d") else "0.4"
    ax.semilogx(seconds, row["psnr"], "o", color=color)
    ax.annotate(
        row["method"],
        (seconds, row["psnr"]),
        xytext=(5, 4),
        textcoords="offset points",
        fontsize=9,
        color=color,
    )
ax.axhline(rows[0]["psnr_noisy"], color="0.7", ls=":")
ax.set(
    xlabel="processor seconds for 128 x 128 pixels",
    ylabel="PSNR in dB",
    title="dotted: the noisy image",
)
ax.margins(x=0.15)
ax.spines[["top", "right"]].set_visible(False)

# %%
# One image is one image: :doc:`/benchmarks` has means over sets of real ones. BM3D is
# computed by ``bmnd`` here; where the package ``bm3d`` is installed, which is free for
# non-commercial use, it takes a fraction of that time. The cost of n2d's ``fit`` does
# not grow with the image, that of ``transform`` grows with its area.

figure
