"""Images on which it is hard to choose: noise as strong as the signal, or correlated.

Made of the clean images of the development sets, and seeded.
"""

import zlib

import numpy as np
from data_sets import data_set_folder
from scipy.ndimage import gaussian_filter

from n2d.comparison import Case
from n2d.io import read_image

SIDE = 192

# Set, clean image, noise, and how strong: photons per pixel on average as a detector
# with a spread of gain counts them, in 8 bits; or the signal to noise ratio in dB.
# "blurred" is followed by the deviation of the blur in pixels; "reconstructed" has the
# ramp spectrum of CT, and varies from place to place.
HARD = [
    ("fmd_dev", "Confocal_BPAE_G_1", "photons", 0.3),
    ("fmd_dev", "Confocal_FISH_1", "photons", 1.0),
    ("fmd_dev", "TwoPhoton_MICE_1", "photons", 0.6),
    ("fmd_dev", "Confocal_BPAE_B_2", "photons", 2.0),
    ("kodak", "kodim05", "white", 0),
    ("kodak", "kodim19", "white", -5),
    ("kodak", "kodim08", "white", 5),
    ("fmd_dev", "TwoPhoton_MICE_2", "white", 0),
    ("kodak", "kodim05", "blurred0.8", 5),
    ("kodak", "kodim19", "blurred1.2", 0),
    ("fmd_dev", "TwoPhoton_MICE_1", "blurred1.0", 0),
    ("ct", "dose010_01", "reconstructed", 0),
    ("kodak", "kodim23", "reconstructed", 5),
    ("ct", "dose055_01", "reconstructed", -5),
]


def hard_cases(data):
    """Yield the cases of `HARD`."""
    for set_name, name, kind, strength in HARD:
        folder = data_set_folder(data, set_name) / "clean"
        clean = read_image(next(folder.glob(f"{name}.*"))).data.astype(float)
        if clean.ndim == 3:
            clean = clean @ [0.299, 0.587, 0.114]
        top, left = ((n - SIDE) // 2 for n in clean.shape)
        clean = clean[top : top + SIDE, left : left + SIDE]
        seed = zlib.crc32(f"{name}{kind}{strength}".encode())
        noisy, clean = _with_noise(clean, kind, strength, np.random.default_rng(seed))
        yield Case(
            f"{name}_{kind}_{strength:g}", noisy, clean, data_range=np.ptp(clean)
        )


def _with_noise(clean, kind, strength, rng):
    """Return the noisy image, and the clean one in its units."""
    if kind == "photons":
        expected = strength * clean / clean.mean()
        counts = rng.poisson(expected)
        seen = np.where(counts > 0, rng.gamma(4 * np.maximum(counts, 1), 0.25), 0)
        seen += rng.normal(0, 0.1, clean.shape)
        noisy = np.clip(np.round(10 * seen + 3), 0, 255).astype(np.uint8)
        return noisy, 10 * expected + 3
    noise = rng.normal(size=clean.shape)
    if kind.startswith("blurred"):
        noise = gaussian_filter(noise, float(kind[7:]), mode="wrap")
    if kind == "reconstructed":
        frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE)))
        power = frequency * np.exp(-((frequency / 0.18) ** 2))
        noise = np.fft.ifft2(np.fft.fft2(noise) * np.sqrt(power)).real
    noise /= noise.std()
    if kind == "reconstructed":
        across = np.linspace(-1, 1, SIDE)
        noise *= 1.6 - 0.9 * np.hypot(across[:, None], across)
    deviation = clean.std() / 10 ** (strength / 20)
    return (clean + deviation * noise).astype(np.float32), clean
