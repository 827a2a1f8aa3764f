"""Fail if `import n2d` or `n2d --help` has become slow: the best of several runs."""

import subprocess
import sys
import time
from pathlib import Path

RUNS = 7


def best(command):
    """Return the shortest wall time of a command in seconds."""
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return min(times)


def main():
    """Measure, print, and return an exit code."""
    script = Path(sys.executable).with_name("n2d")
    bare = best([sys.executable, "-c", "pass"])
    failed = False
    for name, command, limit in (
        ("import n2d", [sys.executable, "-c", "import n2d"], 0.3),
        ("n2d --help", [str(script), "--help"], 0.5),
    ):
        seconds = best(command)
        print(f"{name}: {seconds:.3f} s (limit {limit} s, bare Python {bare:.3f} s)")
        failed |= seconds >= limit
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
