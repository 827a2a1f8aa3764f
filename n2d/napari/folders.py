"""A folder of files denoised, one after the other; one bad file stops no other."""

import warnings
from dataclasses import dataclass
from pathlib import Path

from n2d.core.progress import Cancelled
from n2d.napari.words import error_in_words, verdict_in_words


@dataclass(frozen=True)
class Row:
    """What came of a file, as a line of the table.

    Attributes
    ----------
    name, outcome, verdict : str
        In words.
    seconds : float or None
        How long it took.
    """

    name: str
    outcome: str
    verdict: str = ""
    seconds: float | None = None


def pairs_of(folder, output):
    """Settle what is read and what is written; the folder for it is made."""
    if not str(folder).strip():
        raise ValueError("choose a folder with images")
    if not Path(folder).is_dir():
        raise ValueError(f"{folder} is no folder; choose one with images")
    if not str(output).strip():
        raise ValueError("choose a folder for the results")
    from n2d.files._targets import expand_inputs, plan_outputs

    found = expand_inputs([Path(folder)])
    return plan_outputs(found.paths, f"{str(output).rstrip('/')}/")


def denoise_folder(pairs, settings, rows, watch, *, overwrite=False):
    """Denoise files; return how many.

    `rows` gets a `Row` for every file as soon as it is known. Results that exist are
    left as they are, unless `overwrite` is set.
    """
    from n2d.files import denoise_file

    n_done = 0
    for source, target in pairs:
        watch.begin(1, source.name)
        if target.exists() and not overwrite:
            rows.append(Row(source.name, "is there already"))
            watch.end()
            continue
        try:
            with warnings.catch_warnings(action="ignore"):  # the table says it
                done = denoise_file(
                    source,
                    target,
                    method=settings.method,
                    channels=settings.channels,
                    fit_per=settings.fit_per,
                    overwrite=overwrite,
                    callback=watch,
                    random_state=0,
                    **settings.parameters,
                )
        except Cancelled:
            rows.append(Row(source.name, "stopped"))
            raise
        except Exception as error:  # one bad file must not stop the others
            reason = error_in_words(error)
            for path in (source, target):  # the table has its name
                reason = reason.removeprefix(f"{path}: ")
            rows.append(Row(source.name, f"failed: {reason}"))
        else:
            n_done += 1
            verdict = verdict_in_words(done.trust)[0]
            rows.append(Row(source.name, "denoised", verdict, done.seconds))
        watch.end()
    return n_done
