"""Many files denoised: one bad file stops no other, and a table tells the end."""

import json
import time

import typer

from n2d._printable import one_line, printable
from n2d.cli.progress import RunProgress
from n2d.cli.reporting import complain, say, warnings_in_one_line

_DONE, _SKIPPED, _FAILED = "done", "skipped", "failed"
# Files that the end names which failed alike.
_NAMED = 3


class Batch:
    """A run over pairs of files; ``into_folder`` keeps a list of what is finished."""

    def __init__(
        self,
        pairs,
        job,
        *,
        into_folder,
        quiet,
        show_progress,
        as_json,
        debug,
        left_out=(),
        report=None,
    ):
        self._pairs, self._job = pairs, job
        self._keeps_list = into_folder or job.resume
        self._quiet, self._debug = quiet, debug
        self._progress = RunProgress(len(pairs), show_progress)
        self._as_json, self._left_out = as_json, left_out
        self._report = report
        self._counts = {_DONE: 0, _SKIPPED: 0, _FAILED: 0}
        self._failures = {}  # sources by what went wrong

    def run(self):
        """Go through all files, and return whether all went well."""
        start = time.perf_counter()
        interrupted = True
        try:
            with self._progress:
                for number, (source, target) in enumerate(self._pairs, start=1):
                    self._one(number, source, target)
            interrupted = False
        finally:
            if self._report is not None:
                self._report.write()
            self._summarise(time.perf_counter() - start, interrupted)
        return not self._failures

    def _one(self, number, source, target):
        report = {"source": str(source), "target": str(target)}
        try:
            with self._progress.file(source.name) as bar, warnings_in_one_line():
                report |= self._denoise(number, source, target, bar)
        except Exception as error:  # one bad file must not stop the others
            text = one_line(error)
            named = [" ".join(str(path).split()) for path in (source, target)]
            if not any(name in text for name in named):
                text = f"{source}: {text}"
            text = printable(text)
            why = text
            for name in named:
                why = why.removeprefix(printable(f"{name}: "))
            alike = self._failures.setdefault(why, [])
            alike.append(source)
            said = text if alike == [source] else f"{source}: failed like {alike[0]}"
            complain(printable(said), debug=self._debug)
            if self._report is not None:
                self._report.add_line(source, f"failed: {text}")
            report |= {"state": _FAILED, "error": text, "kind": type(error).__name__}
        self._counts[report["state"]] += 1
        self._emit({"event": "file", "number": number, **report})

    def _denoise(self, number, source, target, bar):
        from n2d.files._jobs import carry_out

        noisy = None
        if self._report is not None:  # before it may be replaced by its result
            noisy = self._report.look(source, series=self._job.series)
        outcome = carry_out(
            self._job,
            source,
            target,
            listed=self._keeps_list,
            say=self._say,
            progress=bar,
        )
        where = f"{self._count(number)}{target}"
        if outcome.skipped:
            self._say(f"{where}: finished before, skipped")
            if self._report is not None:
                self._report.add_line(source, "finished before, skipped")
            return {"state": _SKIPPED}
        self._say(f"{where}: {_checked(outcome)}written in {outcome.seconds:.1f} s")
        if self._report is not None:
            self._report.add(source, target, outcome, noisy)
        return {
            "state": _DONE,
            "shape": list(outcome.shape),
            "axes": outcome.axes,
            "dtype": outcome.dtype,
            "fits": outcome.n_fits,
            "planes": outcome.n_planes,
            "clipped": outcome.n_clipped,
            "notes": [printable(note) for note in outcome.notes],
            "trust": outcome.trust,
            "seconds": round(outcome.seconds, 3),
        }

    @staticmethod
    def _is_resumable(target):
        from n2d.io import SUFFIXES, format_of, suffix_of

        return suffix_of(target) in SUFFIXES and format_of(target).resumable

    def _count(self, number):
        return f"[{number}/{len(self._pairs)}] " if len(self._pairs) > 1 else ""

    def _say(self, text, always=False):
        if always or not self._quiet:
            self._progress.write_line(text)

    def _emit(self, record):
        if self._as_json:
            typer.echo(json.dumps(record, allow_nan=False))

    def _summarise(self, seconds, interrupted):
        n_files = len(self._pairs)
        if interrupted and (n_files > 1 or self._is_resumable(self._pairs[0][1])):
            typer.echo("the same command with --resume goes on from here", err=True)
        open_ones = n_files - sum(self._counts.values())
        self._emit(
            {
                "event": "summary",
                "files": n_files,
                **self._counts,
                "not_finished": open_ones,
                "interrupted": interrupted,
                "left_out": [
                    {"path": str(path), "why": why} for path, why in self._left_out
                ],
                "seconds": round(seconds, 3),
            }
        )
        if n_files == 1 or (self._quiet and not self._failures):
            return
        rows = [*self._counts.items()]
        if open_ones:
            rows.append(("not finished", open_ones))
        if self._left_out:
            rows.append(("left out, as listed above", len(self._left_out)))
        lines = [f"{count:>7,} {state}" for state, count in rows]
        for why, sources in self._failures.items():
            named = ", ".join(map(str, sources[:_NAMED]))
            if len(sources) > _NAMED:
                named += f" and {len(sources) - _NAMED:,} more, named above"
            lines.append(f"        {printable(named)}: {why}")
        head = f"{self._counts[_DONE]} of {n_files} images denoised, {seconds:.1f} s"
        for line in (head, *lines):
            say(line, err=True)


def _checked(outcome):
    """Say how strong the noise was, and what came of the check."""
    from n2d.noise.words import in_percent

    trust = outcome.trust
    if trust is None:
        return ""
    if trust["verdict"] is None:
        why = "".join(trust["reasons"][:1]).removeprefix("not checked: ")
        return f"not checked: {why}; " if why else ""
    text = f"checked: {trust['verdict']}; "
    if trust["verdict"] == "good" and trust["reasons"]:  # others are warnings
        text = f"checked: good ({'; '.join(trust['reasons'])}); "
    if trust["noise"] is not None:
        most = "up to " * (outcome.n_planes > 1)
        text = f"noise {most}{in_percent(trust['noise'])} of the contrast; {text}"
    return text
