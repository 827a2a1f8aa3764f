"""Does the score without a clean image choose what the clean image would choose?

    python benchmarks/choosing.py --data DIR

On every image, settings of the fast solver and denoisers of the registry are fitted,
judged by `n2d.model_selection.self_supervised_score` and by other self-supervised
candidates, and compared with PSNR against the clean image. What counts is the loss: how
much lower the PSNR of the chosen one is than that of the best. Tables go to
OUTPUT/SET.csv and SET.md; fitted denoisers to CACHE, which makes another run cheap.

Expected before the first run:

- `residual`, the plain distance to the noisy image, chooses what leaves most noise in.
- `own bootstrap` (noise put on the result, and how well the denoiser brings the result
  back) favours blur, as what is smooth is brought back easily.
- `held-out pixels` judges a denoiser that cannot see the pixel it predicts, and is led
  astray by correlated noise, for which neighbours know the noise.
- `stein` (Stein's unbiased risk with the noise as measured by intensity) and
  `coupled bootstrap` (the same with a finite probe, unbiased for denoisers that jump)
  choose within 0.15 dB on average; they differ for medians and thresholds alone.
- All fail where the clean image is not the mean of the noisy one: Rician noise, and
  bleaching between the captures (Confocal_BPAE_G_1 differs by 4 grey levels of 10
  that are noise). `drift-free PSNR`, against the clean image with the gain and the
  offset of the noisy one, says how much of a loss is due to that.
"""

import argparse
import csv
import itertools
import os
import pickle
import warnings
from pathlib import Path

import numpy as np
from data_sets import DATA_SETS, cropped, data_set_folder
from hard_cases import hard_cases
from machine import describe_machine
from scipy.ndimage import convolve, gaussian_filter
from scipy.stats import spearmanr

import n2d
from n2d.cli.grids import default_grid
from n2d.metrics import psnr
from n2d.model_selection import judge as judge_by_score
from n2d.noise import discount_texture, estimate_noise

SIDE = 256

# Set, case and, where noise is added, which.
IMAGES = {
    "main": [
        ("fmd_dev", "Confocal_BPAE_G_1"),
        ("fmd_dev", "Confocal_FISH_1"),
        ("fmd_dev", "TwoPhoton_MICE_1"),
        ("fmd_dev", "WideField_BPAE_R_1"),
        ("kodak_grey", "kodim05_gaussian25"),
        ("kodak_grey", "kodim19_poisson30"),
        ("mri", "dipy_t1_coronal_rician15"),
        ("ct", "dose010_01"),
    ],
    # Nothing was decided on these.
    "confirm": [
        ("fmd_dev", "Confocal_BPAE_B_2"),
        ("fmd_dev", "Confocal_BPAE_R_3"),
        ("fmd_dev", "TwoPhoton_MICE_3"),
        ("fmd_dev", "WideField_BPAE_G_2"),
        ("kodak_grey", "kodim08_gaussian25"),
        ("kodak_grey", "kodim23_poisson30"),
        ("mri", "mni152_t1_axial_080_rician15"),
        ("ct", "dose055_01"),
    ],
}

# What `n2d tune` tries, the default first.
STRENGTHS = default_grid("n2d")["strength"]

# max_iter, downsampling_factors, detail_max_iter of the random start
SETTINGS = list(itertools.product((50, 400), ((), (2, 4)), (0, 100, 400)))

# The default first. Without the published schedules, which take a quarter of an hour.
DENOISERS = [
    *("n2d", "identity", "gaussian", "median", "bilateral", "tv", "vst-tv", "wavelet"),
    *("vst-wavelet", "nlm", "vst-nlm", "bm3d", "vst-bm3d", "zs-n2n", "n2d-random"),
]
KINDS = ("strengths", "denoisers", "settings")


def candidates_of(denoiser, noisy, denoised):
    """Judge by everything that was not kept; higher is better."""

    def transform(image):
        return denoiser.transform(image.astype(np.float32)).astype(float)

    model = discount_texture(estimate_noise(noisy))
    deviation = np.sqrt(model.variance(gaussian_filter(noisy, 2.0)))
    noise = deviation * _noise_like(model, noisy.shape)
    residual = np.mean((denoised - noisy) ** 2)
    found = {"residual": -residual}
    for name, strength in (("stein", 0.05), ("coupled bootstrap", 0.3)):
        probed = transform(noisy + strength * noise)
        passed = 2 * np.mean((probed - denoised) * noise) / strength
        seen = residual if name == "stein" else np.mean((probed - noisy) ** 2)
        found[name] = -(seen + passed)
    found["own bootstrap"] = -np.mean((transform(denoised + noise) - denoised) ** 2)
    found["held-out pixels"] = -_held_out(transform, noisy, max(model.reach()))
    return found


def _noise_like(model, shape):
    """Noise of deviation 1 and the correlation of the model, (H, W)."""
    import torch

    from n2d.core.mixture import correlated_noise

    correlation = torch.tensor(model.correlation[None], dtype=torch.float32)
    generator = torch.Generator().manual_seed(0)
    return correlated_noise((1, *shape), correlation, generator)[0].double().numpy()


def _held_out(transform, noisy, reach):
    """Mean squared error at pixels that were replaced by others beyond the reach."""
    step, far = reach + 3, reach + 1
    cross = np.zeros((2 * far + 1, 2 * far + 1))
    cross[[0, -1, far, far], [far, far, 0, -1]] = 0.25
    elsewhere = convolve(noisy, cross, mode="mirror")
    errors = []
    for phase in np.random.default_rng(0).permutation(step**2)[:2]:
        held = np.zeros(noisy.shape, bool)
        held[phase // step :: step, phase % step :: step] = True
        seen = transform(np.where(held, elsewhere, noisy))
        errors.append(np.mean((seen - noisy)[held] ** 2))
    return np.mean(errors)


def cases_of(data, name):
    """Yield the cases of a set."""
    if name == "hard":
        yield from hard_cases(data)
        return
    for set_name, case_name in IMAGES[name]:
        yield find_case(data, set_name, case_name)


def find_case(data, name, case_name):
    """Return a case, cropped."""
    folder, data_set = data_set_folder(data, name), DATA_SETS[name]
    if data_set.noises:
        cases = data_set.cases(folder, (case_name.rpartition("_")[2],))
    else:
        cases = data_set.cases(folder)
    return cropped(next(case for case in cases if case.name == case_name), SIDE)


def contestants(kinds, without=()):
    """Yield (what is chosen among, name, unfitted denoiser)."""
    for strength in STRENGTHS if "strengths" in kinds else ():
        yield (
            "strengths",
            f"strength {strength:g}",
            n2d.Noise2DetailDenoiser(strength=strength, random_state=0),
        )
    for max_iter, factors, detail in SETTINGS if "settings" in kinds else ():
        yield (
            "settings",
            f"random {max_iter} {factors} {detail}",
            n2d.Noise2DetailDenoiser(
                init="random",
                max_iter=max_iter,
                downsampling_factors=factors,
                detail_max_iter=detail,
                random_state=0,
            ),
        )
    registry = n2d.denoiser_registry()
    for name in DENOISERS if "denoisers" in kinds else ():
        if name in without:
            continue
        seed = {"random_state": 0} if "n2" in name else {}
        yield "denoisers", name, registry[name](**seed)


def fitted(denoiser, image, path):
    """Fit, or take from the cache, a denoiser."""
    if path is not None and path.exists():
        return pickle.loads(path.read_bytes())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", n2d.NoiseWarning)
        denoiser.fit(image)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(denoiser))
    return denoiser


def judge(case, kind, name, denoiser, *, all_candidates):
    """Return a row of the table."""
    noisy, clean = (np.asarray(a, float) for a in (case.noisy, case.clean))
    denoised = denoiser.transform(case.noisy).astype(float)
    slope, intercept = np.polyfit(clean.ravel(), noisy.ravel(), 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", n2d.NoiseWarning)
        judgement = judge_by_score(denoiser, case.noisy)
    row = {
        "case": case.name,
        "kind": kind,
        "name": name,
        "psnr": psnr(clean, denoised, case.data_range),
        "drift-free PSNR": psnr(slope * clean + intercept, denoised, case.data_range),
        "score": judgement.score,
    }
    if all_candidates:
        row |= candidates_of(denoiser, noisy, denoised)
    return row, judgement


def losses(rows, judges):
    """{judge: [(loss in dB, rank correlation, the chosen one) per case]}.

    Without a score, nothing is chosen: the loss is NaN, and the default stays.
    """
    found = {judge: [] for judge in judges}
    for case in dict.fromkeys(row["case"] for row in rows):
        here = [row for row in rows if row["case"] == case]
        truth = np.array([row["psnr"] for row in here])
        for judge in judges:
            values = np.array([row[judge] for row in here])
            if np.isnan(values).all():
                found[judge].append((np.nan, np.nan, 0))
                continue
            chosen = int(np.nanargmax(values))
            rank = spearmanr(values, truth, nan_policy="omit").statistic
            found[judge].append((truth.max() - truth[chosen], rank, chosen))
    return found


# As `n2d tune` and `n2d compare` choose: the default, where nothing is surely better.
_RULE = "score, beyond chance"
_NO_JUDGES = ("case", "kind", "name", "psnr", "standard error")


def summary(rows, kind):
    """Tables in Markdown of what was chosen, and at what loss."""
    rows = [row for row in rows if row["kind"] == kind]
    cases = list(dict.fromkeys(row["case"] for row in rows))
    judges = [name for name in rows[0] if name not in _NO_JUDGES]
    found = losses(rows, judges)
    header = ["judged by", "mean loss (dB)", "worst (dB)", "Spearman", *cases]
    lines = [header, ["---", *["---:"] * (len(header) - 1)]]
    for judge in sorted(
        judges, key=lambda name: np.nanmean([x[0] for x in found[name]])
    ):
        loss, rank, _ = (np.array(x) for x in zip(*found[judge], strict=True))
        cells = [
            "cannot tell" if np.isnan(a) else f"{a:.2f} ({b:+.2f})"
            for a, b in zip(loss, rank, strict=True)
        ]
        means = [np.nanmean(loss), np.nanmax(loss), np.nanmean(rank)]
        means = [f"{x:.{n}f}" for x, n in zip(means, (3, 2, 2), strict=True)]
        lines.append([judge, *means, *cells])
    chosen = [
        ["case", "spread (dB)", "best by PSNR", "PSNR", f"chosen by {_RULE}", "PSNR"]
    ]
    chosen.append(["---", "---:", "---", "---:", "---", "---:"])
    for case, (loss, _, index) in zip(cases, found[_RULE], strict=True):
        here = [row for row in rows if row["case"] == case]
        best = max(here, key=lambda row: row["psnr"])
        spread = best["psnr"] - min(row["psnr"] for row in here)
        chosen.append(
            [
                *(case, f"{spread:.1f}", f"`{best['name']}`", f"{best['psnr']:.2f}"),
                f"`{here[index]['name']}`" + " (cannot tell)" * bool(np.isnan(loss)),
                f"{here[index]['psnr']:.2f}",
            ]
        )
    tables = [
        "\n".join(f"| {' | '.join(line)} |" for line in table)
        for table in (lines, chosen)
    ]
    count = max(sum(row["case"] == case for row in rows) for case in cases)
    return f"## Among {count} {kind}\n\n" + "\n\n".join(tables)


def run(arguments, name):
    """Judge all contestants on the images of a set, and write the tables."""
    rows, kept = [], _kept(arguments, name)
    for case in cases_of(arguments.data, name):
        defaults = {}
        there = [*contestants(arguments.among, arguments.without)]
        lacking = {
            kind for kind, *rest in there if (case.name, kind, rest[0]) not in kept
        }
        for kind, contestant, denoiser in there:
            key = case.name, kind, contestant
            # The others are compared with the first, which is fitted again for them.
            if key in kept and not (kind in lacking and kind not in defaults):
                rows.append(kept[key])
                continue
            path = arguments.cache and arguments.cache / case.name / f"{contestant}.pkl"
            denoiser = fitted(denoiser, case.noisy, path)
            row, judgement = judge(
                case,
                kind,
                contestant,
                denoiser,
                all_candidates=not arguments.score_alone,
            )
            default = defaults.setdefault(kind, judgement)
            row["standard error"] = judgement.standard_error(default)
            ahead = row["score"] - default.score - 2 * row["standard error"]
            row[_RULE] = 0.0 if default is judgement else ahead
            if np.isnan(row["score"]):
                row[_RULE] = np.nan
            if key in kept and not np.isclose(
                row["score"], kept[key]["score"], atol=1e-3, equal_nan=True
            ):
                raise SystemExit(
                    f"{key}: scored {kept[key]['score']} by another version"
                )
            rows.append(row)
            print(
                f"{case.name} {contestant}: {row['psnr']:.2f} dB, {row['score']:.3f}",
                flush=True,
            )
        done = {row["case"] for row in rows}
        later = [row for row in kept.values() if row["case"] not in done]
        _write(arguments, name, rows + later)


def _kept(arguments, name):
    """Rows that were measured before, by case, kind and name."""
    path = arguments.output / f"{name}.csv"
    if not arguments.keep or not path.exists():
        return {}
    texts = ("case", "kind", "name")
    with path.open(newline="") as file:
        return {
            tuple(row[key] for key in texts): {
                k: v if k in texts else float(v) for k, v in row.items()
            }
            for row in csv.DictReader(file)
        }


def _write(arguments, name, rows):
    """Write the tables of a set, as far as it went."""
    arguments.output.mkdir(parents=True, exist_ok=True)
    with (arguments.output / f"{name}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow(
                {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()}
            )
    text = [
        f"# Choosing without a clean image: {name}",
        f"Made with `benchmarks/choosing.py --set {name}{_options(arguments)}`, n2d "
        f"{n2d.__version__}, on: {describe_machine(arguments.threads)}. Loss: PSNR of "
        "the best minus PSNR of the chosen, in dB, and in brackets the rank "
        "correlation with PSNR. `score` is "
        f"`self_supervised_score`, `{_RULE}` the same, where the first one, the "
        "default, is kept unless another is ahead by more than two standard errors of "
        "the difference; the script says what the others are. Where the noise is not "
        "known well enough, the score cannot tell, and the default is kept.",
        *(summary(rows, kind) for kind in arguments.among),
    ]
    (arguments.output / f"{name}.md").write_text("\n\n".join(text) + "\n")


def _options(arguments):
    """The options that the tables depend on, as they were given."""
    text = ""
    if tuple(arguments.among) != KINDS:
        text += f" --among {' '.join(arguments.among)}"
    if arguments.without:
        text += f" --without {' '.join(arguments.without)}"
    text += " --keep" * arguments.keep
    return text + " --score-alone" * arguments.score_alone


def main():
    """Read the command line and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data",
        default=os.environ.get("N2D_DATA"),
        help="folder with the sets (default: the environment variable N2D_DATA)",
    )
    parser.add_argument("--set", nargs="+", choices=[*IMAGES, "hard"], default=["main"])
    parser.add_argument("--among", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument(
        "--without", nargs="+", default=(), help="denoisers to leave out, such as bm3d"
    )
    parser.add_argument(
        "--keep", action="store_true", help="measure only what OUTPUT/SET.csv lacks"
    )
    parser.add_argument(
        "--cache", type=Path, help="folder for fitted denoisers (default: none is kept)"
    )
    parser.add_argument(
        "--score-alone", action="store_true", help="leave the other candidates out"
    )
    parser.add_argument("--threads", type=int, default=1, help="default: 1")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(__file__).parent / "results" / "choosing",
        help="default: benchmarks/results/choosing",
    )
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(arguments.threads)
    for name in arguments.set:
        run(arguments, name)


if __name__ == "__main__":
    main()
