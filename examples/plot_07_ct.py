"""
Computed tomography: Hounsfield units and correlated noise
==========================================================

A CT slice has negative values, a meaning for every value, and noise that the
reconstruction has correlated and spread unevenly. Values must come out in the units
they went in.
"""

# %%
# A phantom
# ---------
# Ellipses with the Hounsfield units of air, soft tissue, liver, bone, and four lesions
# of low contrast. Real slices are in no example; this one is drawn here.

import numpy as np
from skimage.draw import disk, ellipse
from skimage.transform import iradon, radon

side = 192
truth = np.full((side, side), -1000.0)


def draw(value, row, column, height, width, rotation=0.0):
    """Set an ellipse of the phantom to a value."""
    rows, columns = ellipse(
        row, column, height, width, shape=truth.shape, rotation=rotation
    )
    truth[rows, columns] = value


draw(-90, 96, 96, 74, 88)  # fat
draw(45, 96, 96, 68, 81)  # soft tissue
draw(65, 88, 62, 40, 34, 0.4)  # liver
draw(30, 80, 128, 26, 22, -0.3)  # stomach
draw(55, 120, 132, 14, 20)  # kidney
draw(400, 140, 96, 12, 14)  # vertebra
draw(250, 140, 96, 7, 9)
draw(180, 104, 100, 6, 6)  # aorta with contrast agent
lesions = {(72, 54): 45, (96, 70): 85, (86, 82): 50, (108, 52): 80}
for centre, value in lesions.items():
    rows, columns = disk(centre, 6, shape=truth.shape)
    truth[rows, columns] = value

# %%
# The scan
# --------
# Projections, photons counted in every detector element (fewer behind more body), and
# filtered back projection. That is where the correlation comes from.

water = 0.02  # attenuation per pixel
rng = np.random.default_rng(0)
angles = np.linspace(0, 180, 240, endpoint=False)
attenuation = water * (1 + truth / 1000)
paths = radon(attenuation, angles, circle=True)


def scanned(photons):
    """Reconstruct a slice from so many photons per detector element."""
    counts = rng.poisson(photons * np.exp(-paths)).clip(1)
    return reconstructed(np.log(photons / counts))


def reconstructed(sinogram):
    """Filtered back projection with the smooth kernel that soft tissue is read with."""
    image = iradon(sinogram, angles, filter_name="hann", circle=True)
    return (image / water - 1) * 1000


# Only what the scanner has seen: the corners beyond it hold -1000 HU and no noise.
seen = (slice(26, 166), slice(10, 182))
clean = reconstructed(paths)[seen]
noisy = np.rint(scanned(60_000)[seen]).astype(np.int16)

# %%
# Denoised
# --------
# int16 in, and float32 in Hounsfield units out. n2d has its defaults. The other methods
# take noise for white, and the strength that its level asks for leaves in what is
# correlated; so each gets the strength of the highest self-supervised score: non-local
# means theirs, BM3D its level of the noise, chosen on a part of the image to save time.

from sklearn.model_selection import GridSearchCV

import n2d
from n2d.comparison import Case, compare_and_plot, summarize
from n2d.model_selection import SingleImageSplit

registry = n2d.denoiser_registry()
strengths = [0.5, 0.8, 1.2, 2.0, 3.0]
denoiser = n2d.Noise2DetailDenoiser(random_state=0)
level = denoiser.fit(noisy).noise_.level
by_level = GridSearchCV(
    n2d.BM3DDenoiser(backend="bmnd"),
    {"sigma": [level, 2 * level, 3 * level]},
    cv=SingleImageSplit(),
).fit(noisy[36:96, 28:88])
by_strength = GridSearchCV(
    registry["nlm"](), {"strength": strengths}, cv=SingleImageSplit()
).fit(noisy)
methods = {
    "n2d": denoiser,
    "nlm, tuned": by_strength.best_estimator_,
    "bm3d, tuned": by_level.best_estimator_,
}
print(by_strength.best_params_, by_level.best_params_, f"measured level {level:.1f}")

case = Case("phantom", noisy, clean, data_range=1200)
rows, figure = compare_and_plot(
    methods, case, limits=(-60, 160), inset=(36, 28, 60, 60)
)
figure

# %%

print(summarize(rows))

# %%
# A phantom is made of flat regions, which is what non-local means and BM3D are best at:
# tuned like this they are ahead of n2d here, which has nothing tuned. n2d knows the
# correlation of the noise from the image:

denoised = denoiser.fit_transform(noisy)
print("correlation of neighbours along y:", denoiser.noise_.correlation[0].round(2))

# %%
# Are the values still right?
# ---------------------------
# The mean of each lesion in Hounsfield units, in a circle of 4 pixels within it. n2d
# keeps the mean of the whole image; the contrast of small, weak things is what any
# denoiser may lower, and how much has to be looked at.

print(f"{'lesion':>10} {'clean':>7} {'noisy':>7} {'n2d':>7}")
for (row, column), value in lesions.items():
    inside = disk((row - seen[0].start, column - seen[1].start), 4)
    means = [image[inside].mean() for image in (clean, noisy, denoised)]
    print(f"{value:>7} HU " + " ".join(f"{mean:7.1f}" for mean in means))
shift = denoised.mean(dtype=float) - noisy.mean(dtype=float)
print(f"shift of the mean of the slice: {shift:+.4f} HU")
