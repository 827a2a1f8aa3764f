"""Tables for a terminal."""


def aligned(lines):
    """Lay out cells in columns: the first to the left, numbers to the right.

    Parameters
    ----------
    lines : list of list of str
        The headings and the cells of every line.

    Returns
    -------
    str
        One line of text for each of `lines`.

    Examples
    --------
    >>> from n2d.cli.tables import aligned
    >>> print(aligned([["method", "PSNR (dB)"], ["n2d", "35.45"], ["median", "9.1"]]))
    method  PSNR (dB)
    n2d         35.45
    median        9.1
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
