"""
Choosing among denoisers in a pipeline
======================================

Which denoiser is best depends on the image. A step of a ``Pipeline`` can be searched
over like any parameter, and the self-supervised score compares denoisers of any kind.
"""

# %%
# Three kinds of image
# --------------------
# A photograph with white noise, a micrograph with photon noise, and the micrograph
# again with noise that is correlated between neighbours, as cameras with interpolation
# or scanners with filters make it.

import numpy as np
from skimage import data

from n2d.comparison import Case
from n2d.noise import add_correlated_noise, add_gaussian_noise, add_poisson_noise

rng = np.random.default_rng(0)
photograph = data.camera()[60:188, 150:278] / 255
micrograph = data.cell()[170:298, 210:338] / 255
cases = [
    Case(
        "photograph, white",
        add_gaussian_noise(photograph, 0.1, rng=rng),
        photograph,
        data_range=1,
    ),
    Case(
        "micrograph, photons",
        add_poisson_noise(micrograph, 30, rng=rng),
        micrograph,
        data_range=1,
    ),
    Case(
        "micrograph, correlated",
        add_correlated_noise(micrograph, 0.1, 0.7, rng=rng),
        micrograph,
        data_range=1,
    ),
]

# %%
# A search over denoisers
# -----------------------
# All have their defaults; each measures the noise on the image. The pipeline could go
# on after the denoiser.

from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

import n2d
from n2d.model_selection import SingleImageSplit, get_scorer

registry = n2d.denoiser_registry()
names = ["n2d", "nlm", "tv", "wavelet", "gaussian", "median"]
denoisers = [registry[name]() for name in names]


def searched(case):
    """Fit and judge every denoiser on the image of a case."""
    return GridSearchCV(
        Pipeline([("denoise", denoisers[0])]),
        {"denoise": denoisers},
        scoring={
            "score": get_scorer("self_supervised"),
            "psnr": get_scorer("psnr", data_range=1),
        },
        cv=SingleImageSplit(),
        refit="score",
    ).fit(case.noisy, case.clean)


searches = {case.name: searched(case) for case in cases}

# %%
# Said and true
# -------------
# Each dot is a denoiser. What counts is that the one furthest to the right is at the
# top, or near it.

import matplotlib.pyplot as plt

drawing, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained")
for ax, (name, search) in zip(axes, searches.items(), strict=True):
    said = search.cv_results_["mean_test_score"]
    true = search.cv_results_["mean_test_psnr"]
    ax.plot(said, true, "o", color="0.6")
    ax.plot(said[search.best_index_], true[search.best_index_], "o", color="C1")
    for rank, i in enumerate(true.argsort()):
        ax.annotate(
            names[i],
            (said[i], true[i]),
            xytext=(-6, -3) if rank % 2 else (6, -3),
            textcoords="offset points",
            ha="right" if rank % 2 else "left",
            size=8,
        )
    loss = true.max() - true[search.best_index_]
    chosen = names[search.best_index_]
    ax.set_title(f"{name}\nchosen: {chosen}, {loss:.2f} dB below the best", fontsize=9)
    ax.set_xlabel("self-supervised score")
    ax.margins(x=0.3)
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("PSNR in dB, clean image known")

# %%
# The photograph
# --------------

from n2d.comparison import compare_and_plot

shown = {name: registry[name]() for name in ("n2d", "nlm", "wavelet", "gaussian")}
rows, figure = compare_and_plot(shown, cases[0], score=True, inset=(56, 56, 44, 44))
figure

# %%
# Correlated noise
# ----------------
# Methods for white noise take its blotches for structure and leave them in. n2d, and
# the blur with its width by Mallows' statistic, are told how neighbours are correlated.

rows, figure = compare_and_plot(shown, cases[2], score=True)
figure
