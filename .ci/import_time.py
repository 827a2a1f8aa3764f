"""Fail if `import n2d` or `n2d --help` has become slow: the best of several runs.

Wall time is what a user waits for, and what is limited. On a busy machine it says more
about the others than about n2d, so that there are more runs if the first are too slow,
and the processor time is printed beside it.
"""

import resource
import subprocess
import sys
import time
from pathlib import Path

RUNS = 7
MOST_RUNS = 40


def measure(command):
    """Return the wall time and the processor time of a command in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime
    return wall, used - before.ru_utime - before.ru_stime


def best(command, limit):
    """Return the shortest times of several runs, of more where that is too long."""
    runs = [measure(command) for _ in range(RUNS)]
    while min(runs)[0] >= limit and len(runs) < MOST_RUNS:
        runs.append(measure(command))
    return min(wall for wall, _ in runs), min(used for _, used in runs), len(runs)


def main():
    """Measure, print, and return an exit code."""
    script = Path(sys.executable).with_name("n2d")
    failed = False
    for name, command, limit in (
        ("import n2d", [sys.executable, "-c", "import n2d"], 0.3),
        ("n2d --help", [str(script), "--help"], 0.5),
    ):
        wall, used, n_runs = best(command, limit)
        print(
            f"{name}: {wall:.3f} s, best of {n_runs} (limit {limit} s); "
            f"processor time {used:.3f} s"
        )
        failed |= wall >= limit
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
