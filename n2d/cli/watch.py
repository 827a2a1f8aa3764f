"""`n2d watch`: images denoised as they arrive in a folder."""

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from n2d._printable import one_line
from n2d._signals import ending_well
from n2d.cli import options
from n2d.cli.reporting import (
    FAILED,
    clean_ending,
    complain,
    on_cluster,
    say,
    threads,
    warnings_in_one_line,
)

# Seconds between two looks at the folder.
_PAUSE = 0.25


def watch(
    context: typer.Context,
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            exists=True,
            file_okay=False,
            help="Where images arrive. Folders in it are left alone.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Where results go; made if need be.",
        ),
    ],
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            metavar="FILE",
            help="A model from `n2d fit`, instead of a fit to the first image.",
        ),
    ] = None,
    settle: Annotated[
        float,
        typer.Option(
            "--settle",
            metavar="SECONDS",
            min=0,
            help="An image is whole when its size and its time of change have stayed "
            "the same for so long.",
        ),
    ] = 2.0,
    stop_after: Annotated[
        float | None,
        typer.Option(
            "--stop-after",
            metavar="SECONDS",
            min=0,
            help="End when nothing has arrived for so long, with exit code 1 if an "
            "image has failed.  [default: never]",
        ),
    ] = None,
    axes: options.AxesOption = None,
    channels: options.ChannelsOption = options.Channels.independent,
    noise: options.NoiseOption = None,
    strength: options.StrengthOption = None,
    seed: options.SeedOption = 0,
    device: options.DeviceOption = "auto",
    precision: options.PrecisionOption = options.Precision.auto,
    jobs: options.JobsOption = None,
    cluster: options.ClusterOption = None,
    overwrite: options.OverwriteOption = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object per image to stdout.")
    ] = False,
    quiet: options.QuietOption = False,
    debug: options.DebugOption = False,
):
    """Denoise images as they arrive in a folder, until Ctrl-C.

    One fit, to the first image, goes on from image to image, and is renewed when the
    noise changes. Of stacks that grow, TIFF or OME-Zarr, new planes are denoised while
    the file is being written; images that are replaced are denoised again. Started
    again, it skips what is finished. Ctrl-C and SIGTERM end it with exit code 0.
    """
    parameters = options.own_parameters(context.params)
    options.check_model(context, model)
    if output.resolve() == folder.resolve():
        raise typer.BadParameter(
            "results would arrive in the folder that is watched; name another one.",
            param_hint="--output",
        )
    from n2d.files._fits import KeptFits
    from n2d.files._jobs import Job
    from n2d.files._watching import Arrivals

    def tell(text, always=False):
        if always or not quiet:
            say(text, err=True)

    job = Job(
        parameters=parameters | {"verbose": 0},
        model=model,
        axes=axes,
        channels=channels,
        overwrite=overwrite,
        resume=True,
        kept=KeptFits(tell),
    )
    watcher = _Watcher(
        Arrivals(folder, settle), output, job, tell, as_json=as_json, debug=debug
    )
    with clean_ending(debug=debug), threads(jobs), on_cluster(cluster):
        options.check_job(context, job)
        output.mkdir(parents=True, exist_ok=True)
        tell(f"watching {folder}; Ctrl-C ends")
        by_itself = False
        with ending_well():
            watcher.run(stop_after)
            by_itself = True
        # Who ends it asked for that; a script that waits for it asks how it went.
        if watcher.summarise() and by_itself:
            raise typer.Exit(FAILED)


class _Watcher:
    """Goes through what has arrived, again and again."""

    def __init__(self, arrivals, output, job, say, *, as_json, debug):
        self._arrivals, self._output, self._job = arrivals, output, job
        self._say, self._as_json, self._debug = say, as_json, debug
        self._n_done, self._failed = 0, {}
        self._start = time.time()

    def run(self, stop_after):
        """Denoise what arrives; return when nothing has for a while."""
        latest = time.monotonic()
        while True:
            ready = self._arrivals.ready()
            growing = self._arrivals.growing()
            if len(ready) > 1:
                self._say(f"{len(ready)} images are waiting")
            for path in [*growing, *ready]:
                self._one(path, settled=path not in growing)
            if ready or growing or self._arrivals.n_under_way > len(self._failed):
                latest = time.monotonic()
            if stop_after is not None and time.monotonic() - latest > stop_after:
                return
            time.sleep(_PAUSE)

    def _one(self, path, *, settled):
        from n2d.files._jobs import Callback, carry_out
        from n2d.files._targets import plan_outputs
        from n2d.io import is_own_result, note_result

        state = self._arrivals.begin(path)
        if state is None:
            return
        record = {"event": "file", "source": str(path)}
        try:
            ((_, target),) = plan_outputs([path], f"{self._output}/", overwrite=True)
            record["target"] = str(target)
            # What an earlier version of the image became may be replaced.
            is_own = is_own_result(target)
            replaced = self._job.overwrite or is_own or not os.path.lexists(target)
            grown, marks = self._arrivals.grown(path, settled=settled)
            if grown is not None and not is_own:
                grown = replace(grown, n_kept=0)
            with warnings_in_one_line():
                outcome = carry_out(
                    replace(self._job, overwrite=replaced, grown=grown),
                    path,
                    target,
                    listed=True,
                    say=lambda text, always=False: always and self._say(text, True),
                    progress=Callback(),
                )
            note_result(target)
        except Exception as error:  # one bad image must not stop the others
            text = one_line(error).removeprefix(f"{path}: ")
            if not settled:  # half a plane, perhaps; it is looked at again
                return
            if self._arrivals.begin(path) is None:
                self._say(f"{path}: has gone")
            elif self._arrivals.end(path, state):  # if not, it was being written
                complain(f"{path}: {text}", debug=self._debug)
                self._failed[path] = text
                self._emit(record | {"state": "failed", "error": text})
            return
        self._failed.pop(path, None)
        self._arrivals.took(path, marks, outcome.seconds)
        if settled and not self._arrivals.end(path, state):
            self._say(f"{path}: changed while it was read, and will be denoised again")
        if outcome.skipped:
            self._say(f"{target}: finished before, skipped")
            self._emit(record | {"state": "skipped"})
            return
        self._n_done += settled
        lag = time.time() - state[0]
        late = ""  # of what was there before
        if state[0] > self._start:
            late = f", {lag:.1f} s after its image"
        planes = ""
        if not settled or outcome.n_new < outcome.n_planes:
            planes = f" with {outcome.n_planes} planes, {outcome.n_new} of them new,"
        self._say(
            f"{target}: written{planes} in {outcome.seconds:.1f} s{late}"
            f"{'' if settled else '; it is growing'}"
        )
        self._emit(
            record
            | {"state": "done" if settled else "growing", "fits": outcome.n_fits}
            | {"planes": outcome.n_planes, "new": outcome.n_new}
            | {"seconds": round(outcome.seconds, 3), "lag": round(lag, 3)}
        )

    def _emit(self, record):
        if self._as_json:
            typer.echo(json.dumps(record, allow_nan=False))

    def summarise(self):
        """Say at the end what was done; return how many images have failed."""
        failures = f", {len(self._failed)} failed:" if self._failed else ""
        self._say(f"stopped: {self._n_done} images denoised{failures}")
        for path, text in self._failed.items():
            complain(f"{path}: {text}")
        failed = {str(path): text for path, text in self._failed.items()}
        self._emit({"event": "summary", "done": self._n_done, "failed": failed})
        return len(failed)
