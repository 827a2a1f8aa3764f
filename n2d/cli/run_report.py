"""`n2d denoise --report`: what a run did to each file, gathered for one page."""

from n2d.cli.report import LARGEST_SIDE, colours_last, page, section, write_page

# More files than so many have no pictures: a page has to be opened.
_MOST_PICTURES = 40


class RunReport:
    """Looks at files before and after, and writes the page.

    Parameters
    ----------
    path : Path
        Of the page.
    command : str
        What repeats the run.
    job : n2d.files._jobs.Job
        How files are denoised.
    overwrite : bool
        Whether a page that exists is replaced.
    """

    def __init__(self, path, command, job, *, overwrite):
        from n2d.io import check_target

        check_target(path, overwrite=overwrite)
        self._path, self._command, self._job = path, command, job
        self._overwrite = overwrite
        self._sections, self._n_pictures = [], 0

    def look(self, path, *, series=None):
        """Read the middle of the middle plane of a file; None where that fails."""
        if self._n_pictures >= _MOST_PICTURES:
            return None
        try:
            return _middle_plane(path, series, self._job)
        except (OSError, ValueError):
            return None  # said where it is denoised

    def add(self, source, target, outcome, noisy):
        """Add a file that was denoised."""
        denoised = self.look(target)
        errors = {}
        if outcome.uncertainty is not None:
            errors["n2d"] = self.look(outcome.uncertainty)
        if denoised is None or noisy is None or denoised.shape != noisy.shape:
            noisy, results = None, {}
        else:
            results = {self._job.method: denoised}
            self._n_pictures += 1
        trust = outcome.trust or {"verdict": None, "reasons": []}
        said = trust["verdict"] or "not judged"
        rows = [
            ("result", target),
            ("trust", ": ".join([said, "; ".join(trust["reasons"])]).rstrip(": ")),
            ("noise measured", "; ".join(outcome.noise) or "not measured"),
            ("shape", f"{' x '.join(map(str, outcome.shape))}, axes {outcome.axes}"),
            ("planes, fits", f"{outcome.n_planes:,}, {outcome.n_fits:,}"),
            *_stack_rows(outcome),
            ("values clipped", f"{outcome.n_clipped:,} of {outcome.n_values:,}"),
            ("seconds", f"{outcome.seconds:.1f}"),
            *(("note", note) for note in outcome.notes),
        ]
        errors = {k: v for k, v in errors.items() if v is not None}
        self._sections.append(
            section(
                source, noisy, results, rows, errors=errors, verdict=trust["verdict"]
            )
        )

    def add_line(self, source, text):
        """Add a file that failed, or was skipped."""
        self._sections.append(section(source, None, {}, [("outcome", text)]))

    def write(self):
        """Write the page."""
        from n2d import __version__

        description = self._job.description
        rows = [("method", f"{description['method']}, n2d {__version__}")]
        rows += [(k, v) for k, v in description["parameters"].items()]
        names = ("model", "dtype", "axes", "channels", "fit_per", "nan")
        rows += [(k, description[k]) for k in names if description[k] is not None]
        settings = section("Settings", None, {}, rows)
        text = page("Denoised by n2d", [*self._sections, settings], self._command)
        write_page(self._path, text, overwrite=self._overwrite)


def _stack_rows(outcome):
    """What the planes of a series were to each other; nothing of a single one."""
    if outcome.n_planes < 2 or not outcome.stack:
        return []
    how = "each plane on its own"
    if outcome.stack != "independent":
        how = f"each plane with its neighbours in {outcome.stack}, where they agree"
    return [("stack", f"{outcome.stack}: {how}")]


def _middle_plane(path, series, job):
    """The middle of a plane of a file, colours last."""
    from n2d.files._plan import plan_of
    from n2d.io import View, open_image

    with open_image(path, series) as image:
        plan = plan_of(
            image,
            axes=job.axes,
            channels=job.channels,
            channel_axis=job.channel_axis,
        )
        planes = plan.fits[0]
        view = View(image.data, planes[len(planes) // 2].key)
        key = []
        for axis, n in enumerate(view.shape):
            start = max(0, (n - LARGEST_SIDE) // 2)
            whole = axis == plan.channel_axis
            key.append(slice(None) if whole else slice(start, start + LARGEST_SIDE))
        return colours_last(view[tuple(key)], plan.channel_axis)
