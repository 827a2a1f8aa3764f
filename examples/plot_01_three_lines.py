"""
One noisy image, in three lines
===============================

The shortest way from a noisy image to a clean one: an image as a NumPy array goes in,
one of the same shape comes out. There is nothing to train beforehand, and nothing to
set.
"""

# %%
# A noisy image
# -------------
# Any 2-D array will do, for example ``tifffile.imread("cells.tif")``. So that the
# result can be judged, the scene here is generated: cells under a fluorescence
# microscope, 50 photons in a bright pixel, and the noise of a camera on top.

import numpy as np

from n2d.datasets import fluorescence_cells
from n2d.noise import add_poisson_gaussian_noise

clean = fluorescence_cells((256, 256), rng=0)
noisy = add_poisson_gaussian_noise(clean, 0.02, 0.03, rng=np.random.default_rng(1))

# %%
# Three lines
# -----------

from n2d import Noise2DetailDenoiser

denoiser = Noise2DetailDenoiser(random_state=0)
denoised = denoiser.fit_transform(noisy)

# %%
# The result has the shape and the unit of the input. The noise was measured on the way;
# true are a gain of 0.02 and a standard deviation of 0.03 in the dark.

print(denoised.shape, denoised.dtype)
print(denoiser.noise_)

# %%
# What came of it
# ---------------
# Whole images above, the framed part enlarged below them, and what was taken away. The
# residual of a good result looks like noise, as this one does: brighter places are
# noisier, since photons are counted, but no outline of a cell shows.
#
# This picture flatters n2d: the network it starts from has learned from generated
# scenes, 42 % of which are fluorescence-like. See
# :ref:`sphx_glr_gallery_plot_03_methods.py` for other methods and for a picture that no
# generator has drawn.

from n2d.comparison import plot_comparison

figure = plot_comparison(noisy, {"n2d": denoised}, clean, data_range=1)
figure

# %%
# Without a clean image
# ---------------------
# With an image of your own there is nothing to compare with. Then ask for the
# self-supervised score, an estimate of the share of the noise that was removed (1 is
# perfect), and look at what was taken away (:doc:`/guide/trust`).

from n2d.diagnostics import check_residual

print(f"score {denoiser.score(noisy):.3f}")
print(check_residual(noisy, denoised))
