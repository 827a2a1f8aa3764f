"""Means per group and over all, as a Markdown table."""

import math


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
        denoised, and how many there are where some failed.
    """
    latest = {(row["case"], row["method"]): row for row in rows}
    groups = _groups(latest.values())
    stages = any(row["psnr_stage1"] is not None for row in latest.values())
    header = ["group", "method", "cases", "PSNR (dB)", "gain (dB)", "SSIM"]
    if stages:
        header += ["stage 1 (dB)", "stage 2 (dB)", "stage 3 (dB)"]
    header += ["seconds", "CPU seconds", "peak memory (MiB)", "before (MiB)"]
    lines = [header, ["---"] * 2 + ["---:"] * (len(header) - 2)]
    for group, members in groups.items():
        for method in dict.fromkeys(row["method"] for row in members):
            lines.append(
                [
                    group,
                    method,
                    *_cells([r for r in members if r["method"] == method], stages),
                ]
            )
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    errors = [
        f"- {row['case']}, {row['method']}: {row['error']}"
        for row in latest.values()
        if row["error"]
    ]
    return table + ("\n\nFailed:\n\n" + "\n".join(errors) if errors else "")


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


def _cells(rows, stages):
    good = [row for row in rows if not row["error"]]

    def mean(key, digits):
        values = [row[key] for row in good if row[key] is not None]
        return f"{math.fsum(values) / len(values):.{digits}f}" if values else ""

    gains = [
        row["psnr"] - row["psnr_noisy"]
        for row in good
        if row["psnr"] is not None and math.isfinite(row["psnr_noisy"])
    ]
    cells = [
        f"{len(good)}" if len(good) == len(rows) else f"{len(good)} of {len(rows)}",
        mean("psnr", 2),
        f"{math.fsum(gains) / len(gains):+.2f}" if gains else "",
        mean("ssim", 4),
    ]
    if stages:
        cells += [mean(f"psnr_stage{i}", 2) for i in (1, 2, 3)]
    return [
        *cells,
        mean("seconds", 1),
        mean("cpu_seconds", 1),
        mean("peak_mib", 0),
        mean("base_mib", 0),
    ]
