"""Damaged files without end: ``python tests/fuzz/run.py --minutes 60 --seed 1``.

Every file is read in a process that has four gigabytes and a minute. A report in JSON
says how many files of each kind were tried, read and refused, and what went wrong; the
file that did it is kept beside the report.
"""

import argparse
import faulthandler
import json
import os
import random
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from mutators import damage, damage_json, damage_png
from targets import corpus, put

_MOST_SECONDS, _MOST_BYTES = 60, 4 * 2**30


def damaged(name, content, rng):
    """Damage a file, or one of the files of a folder, in a way that suits it."""
    if isinstance(content, dict):
        chosen = rng.choice(sorted(content))
        return content | {chosen: damaged(chosen, content[chosen], rng)}
    if name.endswith((".json", ".jsonl")) and b"\n{" not in content:
        return damage_json(content, rng)
    if name.endswith(".png") and rng.random() < 0.5:
        return damage_png(content, rng)
    return damage(content, rng)


def cases(everything, seed):
    """Yield (name, content, reader) without end, the same ones for a seed."""
    rng = random.Random(seed)
    names = sorted(everything)
    while True:
        name = rng.choice(names)
        content, reader = everything[name]
        try:
            content = damaged(name, content, rng)
        except (ValueError, IndexError, TypeError):  # nothing left to damage
            continue
        yield name, content, reader


def try_one(name, content, reader, folder):
    """Read a damaged file; "read", "refused", or what went wrong."""
    path = Path(folder, name)
    put(content, path)
    start = time.monotonic()
    faulthandler.dump_traceback_later(_MOST_SECONDS, exit=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = "read" if reader(path) else "refused"
    except Exception:
        return traceback.format_exc()
    finally:
        faulthandler.cancel_dump_traceback_later()
    seconds = time.monotonic() - start
    return found if seconds < 10 else f"took {seconds:.0f} s"


def run(minutes, seed, keep):
    """Fuzz for a while; return the report."""
    limit_memory()
    counts, wrong = {}, []
    end = time.monotonic() + 60 * minutes
    with tempfile.TemporaryDirectory() as made, tempfile.TemporaryDirectory() as folder:
        everything = corpus(Path(made))
        for number, case in enumerate(cases(everything, seed)):
            if time.monotonic() > end:
                break
            found = try_one(*case, folder)
            kind = counts.setdefault(case[0], {"read": 0, "refused": 0, "wrong": 0})
            if found in kind:
                kind[found] += 1
                continue
            kind["wrong"] += 1
            if len(wrong) < 50:
                wrong.append({"number": number, "name": case[0], "what": found})
                if keep is not None:
                    put(case[1], Path(keep, f"{number}-{case[0]}"))
    total = sum(sum(kind.values()) for kind in counts.values())
    return {
        "minutes": minutes,
        "seed": seed,
        "files": total,
        "wrong": sum(kind["wrong"] for kind in counts.values()),
        "kinds": dict(sorted(counts.items())),
        "failures": wrong,
    }


def limit_memory():
    """Have this process fail, rather than the machine, where a file takes too much."""
    try:
        import resource
    except ImportError:  # Windows
        return
    import psutil

    used = psutil.Process().memory_info().vms
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + _MOST_BYTES, hard))


def main():
    """Parse options, run, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", help="folder for files that went wrong")
    options = parser.parse_args()
    report = run(options.minutes, options.seed, options.keep)
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    sys.exit(bool(report["wrong"]))


if __name__ == "__main__":
    main()
