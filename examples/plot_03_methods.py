"""
n2d beside BM3D, non-local means, wavelets and total variation
==============================================================

Two images, nine methods, one rule for all of them.

The rule
--------
Nobody tunes by hand, and nobody sees the clean image:

- every method measures the noise on the image itself, by the same
  :func:`n2d.noise.estimate_noise`;
- every method that has a strength to choose gets the one with the highest
  self-supervised score among six, n2d the better of two numbers of rounds, by the same
  score. BM3D has nothing to choose but the level of the noise, which is measured.

``vst-`` stands for a method between variance stabilisation and its unbiased inverse,
which is what methods for white noise need on photon noise. n2d has both built in.
"""

# %%
# The contestants
# ---------------

import numpy as np
from skimage import data
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import n2d
from n2d.comparison import Case, compare_and_plot, summarize
from n2d.datasets import fluorescence_cells
from n2d.model_selection import SingleImageSplit
from n2d.noise import add_poisson_gaussian_noise

registry = n2d.denoiser_registry()
strengths = [0.5, 0.65, 0.8, 1.2, 2.0, 4.0]
contestants = {
    "n2d": (registry["n2d"](random_state=0), {"strength": [1.0, 0.8, 1.25]}),
    "bm3d": (n2d.BM3DDenoiser(backend="bmnd"), {}),
    "vst-bm3d": (registry["vst-bm3d"](denoiser=n2d.BM3DDenoiser(backend="bmnd")), {}),
    "nlm": (registry["nlm"](), {"strength": strengths}),
    "vst-nlm": (registry["vst-nlm"](), {"denoiser__strength": strengths}),
    "tv": (registry["tv"](), {"strength": strengths}),
    "vst-tv": (registry["vst-tv"](), {"denoiser__strength": strengths}),
    "wavelet": (registry["wavelet"](), {"method": ["BayesShrink", "VisuShrink"]}),
    "vst-wavelet": (
        registry["vst-wavelet"](),
        {"denoiser__method": ["BayesShrink", "VisuShrink"]},
    ),
}


def tuned(noisy):
    """Give every contestant the setting of the highest score on this image."""
    methods = {}
    for name, (denoiser, grid) in contestants.items():
        if grid:
            search = GridSearchCV(denoiser, grid, cv=SingleImageSplit(), refit=False)
            denoiser = clone(denoiser).set_params(**search.fit(noisy).best_params_)
            print(name, search.best_params_)
        methods[name] = denoiser
    return methods


# %%
# A generated fluorescence scene
# ------------------------------
# 50 photons in a bright pixel and the noise of a camera. n2d's network has learned from
# generated scenes, some of this kind: expect less of a lead on real images.

rng = np.random.default_rng(1)
clean = fluorescence_cells((128, 128), rng=3).astype(float)
noisy = add_poisson_gaussian_noise(clean, 0.02, 0.03, rng=rng)
scene, scene_methods = Case("scene", noisy, clean, data_range=1), tuned(noisy)
rows, figure = compare_and_plot(scene_methods, scene, columns=4, inset=(26, 60, 44, 44))
figure

# %%

print(summarize(rows))

# %%
# A micrograph
# ------------
# The cell that comes with scikit-image, a real picture, made noisy with 30 photons in a
# white pixel. It is not one that anything here has learned from.

clean = data.cell()[165:293, 210:338] / 255
noisy = add_poisson_gaussian_noise(clean, 1 / 30, 0.01, rng=rng)
case = Case("micrograph", noisy, clean, data_range=1)
methods = tuned(noisy)
del methods["bm3d"]  # the noise grows with the intensity, which it does not know
rows, figure = compare_and_plot(methods, case, columns=4)
figure

# %%

print(summarize(rows))

# %%
# BM3D is computed by the package ``bmnd`` (MIT licence) here. The package ``bm3d``,
# free for non-commercial use, gives the same quality in less time. On real images the
# differences are smaller than on the generated scene, and sometimes the other way
# round: :doc:`/benchmarks` has the numbers.

# %%
# The three best known, side by side
# ----------------------------------
# The scene again, for the front page.

# sphinx_gallery_thumbnail_number = 3
few = {name: scene_methods[name] for name in ("n2d", "vst-nlm", "vst-bm3d")}
rows, figure = compare_and_plot(few, scene, inset=(26, 60, 44, 44))
figure
