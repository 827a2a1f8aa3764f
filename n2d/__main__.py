"""``python -m n2d``: the command `n2d`, where its script is not on the path."""

from n2d.cli import main

if __name__ == "__main__":
    main()
