"""``python -m n2d``: the command `n2d`, where its script is not on the path."""

import _signal  # built in: nothing is read from the disk for it

# Until there is a handler, the system ends the process without a word.
if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

from n2d._signals import watched


def main():
    """Run the command line of this process and exit with its code."""
    # Before anything is imported that takes a while.
    with watched():
        from n2d.cli import main

        main()


if __name__ == "__main__":
    main()
