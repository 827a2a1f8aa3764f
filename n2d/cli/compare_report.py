"""The page of `n2d compare`: all methods on an image under one slider."""

import numpy as np

from n2d.cli.report import colours_last, page, section, write_page

NAME = "report.html"
_NUMBERS = (
    ("score", "{:.4f}"),
    ("psnr", "{:.2f} dB"),
    ("ssim", "{:.3f}"),
    ("seconds", "{:.1f}"),
)


class CompareReport:
    """Gathers what was compared, and writes the page.

    Parameters
    ----------
    folder : Path
        Where the tables are.
    command : str
        What repeats the comparison.
    """

    def __init__(self, folder, command):
        self._path, self._command = folder / NAME, command
        self._sections, self._rows, self._known = [], [], {}

    def look(self, plane, case, name, denoiser):
        """Keep what a fitted denoiser knows, of the plane that is shown."""
        self._known[case.name, name] = _known_of(denoiser, case, plane)

    def add(self, case, plane, rows, estimates):
        """Add an image.

        Parameters
        ----------
        case : n2d.comparison.Case
            The image.
        plane : int or None
            Which one of a stack is shown.
        rows : list of dict
            Of its runs.
        estimates : dict of str to ndarray
            What came out, by method.
        """
        axis = case.channel_axis
        if axis is not None and plane is not None:
            axis -= 1

        def shown(array):
            return colours_last(array if plane is None else array[plane], axis)

        said, errors, verdicts = [], {}, []
        for name in estimates:
            found = self._known.pop((case.name, name), None)
            if found is not None:
                std, trust, levels = found
                errors[name] = colours_last(std, axis)
                verdicts.append(trust.verdict)
                text = ": ".join(
                    filter(None, (trust.verdict, "; ".join(trust.reasons)))
                )
                said += [("trust", text), ("noise measured", levels)]
        for row in rows:
            numbers = [
                f"{key} {text.format(row[key])}"
                for key, text in _NUMBERS
                if row[key] is not None and row[key] == row[key]
            ]
            said.append((row["method"], row["error"] or ", ".join(numbers)))
            said.append(("", row["parameters"]))
        self._rows += rows
        pictures = {name: shown(image) for name, image in estimates.items()}
        verdict = verdicts[0] if len(verdicts) == 1 else None
        self._sections.append(
            section(
                case.name,
                shown(case.noisy),
                pictures,
                said,
                errors=errors,
                verdict=verdict,
            )
        )

    def add_line(self, name, text):
        """Add an image that cannot be read."""
        self._sections.append(section(name, None, {}, [("outcome", text)]))

    def write(self, *, overwrite):
        """Write the page, whole or not at all."""
        from n2d.comparison.summary import describe_ranges, describe_scores

        notes = filter(None, (describe_ranges(self._rows), describe_scores(self._rows)))
        text = page(
            "Denoisers compared by n2d",
            self._sections,
            self._command,
            " ".join(notes),
        )
        write_page(self._path, text, overwrite=overwrite)


def _known_of(denoiser, case, plane):
    """Standard errors of a plane, trust and levels; None where they are not known."""
    from n2d.files._checks import knows_error
    from n2d.files._fits import levels_in_words

    if not knows_error(denoiser):
        return None
    levels, trust = levels_in_words(denoiser), denoiser.trust_
    if plane is None:
        return denoiser.transform(case.noisy, return_std=True)[1], trust, levels
    std = np.empty(case.noisy.shape[1:])
    denoiser.transform_some(case.noisy, ({plane: np.empty_like(std)}, {plane: std}))
    return std, trust, levels
