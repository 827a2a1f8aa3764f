"""Means per group and over all, as a Markdown table."""

import math

# Heading, key of a row or what makes a number of rows, digits.
_NUMBERS = (
    ("PSNR (dB)", "psnr", ".2f"),
    ("gain (dB)", "gain", "+.2f"),
    ("SSIM", "ssim", ".4f"),
    ("stage 1 (dB)", "psnr_stage1", ".2f"),
    ("stage 2 (dB)", "psnr_stage2", ".2f"),
    ("stage 3 (dB)", "psnr_stage3", ".2f"),
    ("score", "score", ".4f"),
    ("\N{PLUS-MINUS SIGN} to the first", "score_error", ".4f"),
    ("seconds", "seconds", ".1f"),
    ("CPU seconds", "cpu_seconds", ".1f"),
    ("peak memory (MiB)", "peak_mib", ".0f"),
    ("before (MiB)", "base_mib", ".0f"),
)


def summarize(rows):
    """Average results per group, per outer group and over all cases.

    Parameters
    ----------
    rows : list of dict
        As `n2d.comparison.compare` returns and `n2d.comparison.read_results` reads
        them. Of several rows of one case and method the last counts.

    Returns
    -------
    str
        A Markdown table with a line per group and method, and the errors below it. A
        mean is over the cases that have the number; "cases" says how many were
        denoised, and how many there are where some failed. Columns of numbers that
        nothing has are left out.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from n2d.comparison import Case, compare, summarize
    >>> case = Case("flat", np.ones((8, 8)), np.zeros((8, 8)), data_range=10)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     print(summarize(compare({"noisy": None}, [case], folder)))
    | group | method | cases | PSNR (dB) | gain (dB) | SSIM |
    | --- | --- | ---: | ---: | ---: | ---: |
    | all | noisy | 1 | 20.00 | +0.00 | 0.0099 |
    <BLANKLINE>
    PSNR and SSIM are for a data range of 10.
    """
    header, *lines = tabulate(rows)
    lines = [header, ["---"] * 2 + ["---:"] * (len(header) - 2), *lines]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    latest = {(row["case"], row["method"]): row for row in rows}
    errors = [
        f"- {row['case']}, {row['method']}: {row['error']}"
        for row in latest.values()
        if row["error"]
    ]
    for text in (describe_ranges(latest.values()), describe_scores(latest.values())):
        table += f"\n\n{text}" * bool(text)
    return table + ("\n\nFailed:\n\n" + "\n".join(errors) if errors else "")


def describe_ranges(rows):
    """Say which data range PSNR and SSIM are for.

    Parameters
    ----------
    rows : iterable of dict
        As for `summarize`.

    Returns
    -------
    str
        A sentence; empty where no range is known.

    Examples
    --------
    >>> from n2d.comparison.summary import describe_ranges
    >>> describe_ranges([{"data_range": 255.0}, {"data_range": None}])
    'PSNR and SSIM are for a data range of 255.'
    """
    ranges = sorted({row.get("data_range") for row in rows} - {None})
    if not ranges:
        return ""
    text = " to ".join(f"{x:.6g}" for x in dict.fromkeys((ranges[0], ranges[-1])))
    each = ", each image's own" if len(ranges) > 1 else ""
    return f"PSNR and SSIM are for a data range of {text}{each}."


def describe_scores(rows, first="the first"):
    """Say what a score is, and what a difference between two of them means.

    Parameters
    ----------
    rows : iterable of dict
        As for `summarize`.
    first : str, default="the first"
        What the others are compared with.

    Returns
    -------
    str
        Sentences; empty where nothing has a score.

    Examples
    --------
    >>> from n2d.comparison.summary import describe_scores
    >>> print(describe_scores([{"score": 0.9}], "the default")[:69])
    score: the share of the noise that is removed, 1 is all of it, 0 none
    """
    if all(row.get("score") is None for row in rows):
        return ""
    return (
        "score: the share of the noise that is removed, 1 is all of it, 0 none; "
        "estimated from the noisy image alone. "
        f"\N{PLUS-MINUS SIGN}: by how much the difference to {first} may be off by "
        "chance (a standard error); less than twice that may be chance alone."
    )


def tabulate(rows):
    """Average results as `summarize` does.

    Parameters
    ----------
    rows : list of dict
        As for `summarize`.

    Returns
    -------
    list of list of str
        The headings, and then the cells of every line. The first three columns are
        "group", "method" and "cases"; the lines over all cases come last, and their
        group is "all", unless one group has them all.
    """
    latest = {(row["case"], row["method"]): row for row in rows}.values()
    lines = [
        [group, method, *_cells([row for row in members if row["method"] == method])]
        for group, members in _groups(latest).items()
        for method in dict.fromkeys(row["method"] for row in members)
    ]
    header = ["group", "method", "cases", *(heading for heading, _, _ in _NUMBERS)]
    kept = [i for i in range(len(header)) if i < 3 or any(line[i] for line in lines)]
    return [[line[i] for i in kept] for line in (header, *lines)]


def _groups(rows):
    """Rows by group, outer groups after their inner ones, all at the end."""
    names = dict.fromkeys(row["group"] for row in rows)
    outer = dict.fromkeys(
        name.rsplit("/", depth)[0]
        for name in names
        for depth in range(1, name.count("/") + 1)
    )
    groups = {}
    for name in [*names, *outer]:
        members = [r for r in rows if f"{r['group']}/".startswith(f"{name}/")]
        # An outer group of a single inner one would only repeat it.
        if name and members not in groups.values():
            groups[name] = members
    rows = list(rows)
    if len(groups) != 1 or rows not in groups.values():
        groups["all"] = rows
    return groups


def _cells(rows):
    good = [row for row in rows if not row["error"]]
    cells = [
        f"{len(good)}" if len(good) == len(rows) else f"{len(good)} of {len(rows)}"
    ]
    for _, key, digits in _NUMBERS:
        values = [value for row in good if (value := _value(row, key)) is not None]
        known = [value for value in values if not math.isnan(value)]
        if not known:
            cells.append("cannot tell" if values and key == "score" else "")
            continue
        mean = math.fsum(known) / len(known)
        if key == "score_error":  # of a mean
            mean = math.hypot(*known) / len(known)
        cells.append(f"{mean:{digits}}")
    return cells


def _value(row, key):
    """A number of a row, or None; the gain follows from two of them."""
    if key != "gain":
        return row[key]
    if row["psnr"] is None or not math.isfinite(row["psnr_noisy"]):
        return None
    return row["psnr"] - row["psnr_noisy"]
