"""``python -m n2d``: the command `n2d`, where its script is not on the path."""

from n2d._signals import watched


def main():
    """Run the command line of this process and exit with its code."""
    # Before anything is imported that takes a while.
    with watched():
        from n2d.cli import main

        main()


if __name__ == "__main__":
    main()
