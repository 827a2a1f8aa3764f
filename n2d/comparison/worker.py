"""The process that `n2d.comparison.measurement` starts for a single run."""

import os
import pickle
import sys

from n2d.comparison.measurement import measure_alone


def main():
    """Read a job from stdin and write what came out of it to stdout."""
    results = os.fdopen(os.dup(1), "wb")
    # Denoisers that print must not write into the results.
    os.dup2(2, 1)
    results.write(pickle.dumps(measure_alone(*pickle.load(sys.stdin.buffer))))
    results.close()


if __name__ == "__main__":
    main()
