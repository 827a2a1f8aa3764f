"""
Choosing parameters on one image, without a clean one
=====================================================

Denoisers are scikit-learn transformers, and their ``score`` needs no clean image. So
``GridSearchCV`` works on a single noisy image. Here the clean image is known, and both
answers are drawn on one axis: what the score says, and what is true.
"""

# %%
# A search over two stages
# ------------------------
# ``init="random"`` trains the published networks on this image alone, and how long to
# train matters. ``SingleImageSplit`` is the ``cv`` for one image: scikit-learn would
# cut it into rows otherwise. The second scorer compares with the clean image; it is
# here to judge the first one and takes no part in the choice.

import matplotlib.pyplot as plt
import numpy as np
from skimage import data
from sklearn.model_selection import GridSearchCV

from n2d import Noise2DetailDenoiser
from n2d.model_selection import SingleImageSplit, get_scorer
from n2d.noise import add_gaussian_noise

clean = data.camera()[60:188, 150:278] / 255
noisy = add_gaussian_noise(clean, 25 / 255, rng=np.random.default_rng(0))

steps = [10, 25, 60, 150]
search = GridSearchCV(
    Noise2DetailDenoiser(init="random", detail_max_iter=0, random_state=0),
    {"max_iter": steps, "downsampling_factors": [(), (2, 4)]},
    scoring={
        "self_supervised": get_scorer("self_supervised"),
        "psnr": get_scorer("psnr", data_range=1),
    },
    cv=SingleImageSplit(),
    refit="self_supervised",
)
search.fit(noisy, clean)
print("chosen without the clean image:", search.best_params_)

# %%
# Two curves, one axis
# --------------------
# The score estimates the share of the noise that is removed. The true share follows
# from the PSNR before and after.

from n2d.metrics import psnr


def share_removed(decibels):
    """Turn a PSNR into the share of the noise's energy that was removed."""
    return 1 - 10 ** ((psnr(clean, noisy, 1) - np.asarray(decibels)) / 10)


results = search.cv_results_
factors = np.array([str(f) for f in results["param_downsampling_factors"]])
curve, ax = plt.subplots(figsize=(8, 4), layout="constrained")
for color, name in zip(("C0", "C1"), dict.fromkeys(factors), strict=True):
    at = factors == name
    said, true = (
        results["mean_test_self_supervised"][at],
        share_removed(results["mean_test_psnr"][at]),
    )
    ax.semilogx(steps, said, "o-", color=color, label=f"factors {name}: the score")
    ax.semilogx(steps, true, "x--", color=color, label=f"factors {name}: the truth")
ax.set(
    xlabel="max_iter: steps of stage 1, at most", ylabel="share of the noise removed"
)
ax.set_xticks(steps, steps)
ax.legend(fontsize=8, frameon=False)
ax.spines[["top", "right"]].set_visible(False)

best = results["mean_test_psnr"].max()
chosen = results["mean_test_psnr"][search.best_index_]
print(f"chosen {chosen:.2f} dB, best of the grid {best:.2f} dB")

# %%
# The same for other denoisers
# ----------------------------
# Any denoiser of the package has this score; for example non-local means, and the
# default, ``init="auto"``. It measures what it needs to know and has one knob,
# ``strength``; 1 comes first in the grid, so that it is kept where nothing is better.

from n2d import NonLocalMeansDenoiser

strengths = [0.3, 0.5, 0.7, 0.9, 1.2, 1.6]
other = GridSearchCV(
    NonLocalMeansDenoiser(), {"strength": strengths}, cv=SingleImageSplit()
).fit(noisy)
print("non-local means:", other.best_params_)
default = GridSearchCV(
    Noise2DetailDenoiser(random_state=0),
    {"strength": [1.0, 0.6, 0.8, 1.25, 1.6]},
    cv=SingleImageSplit(),
).fit(noisy)
print("default:", default.best_params_)

# %%
# The results beside each other
# -----------------------------

from n2d.comparison import Case, compare_and_plot

methods = {
    "random start, as chosen": search.best_estimator_,
    "nlm, as chosen": other.best_estimator_,
    "defaults": Noise2DetailDenoiser(random_state=0),
}
case = Case("camera", noisy, clean, data_range=1)
rows, figure = compare_and_plot(methods, case, score=True, inset=(56, 56, 44, 44))
figure
