"""Tiles denoised by the workers of a Dask cluster; images are read and written here."""

import contextlib
from asyncio import CancelledError
from contextvars import ContextVar
from dataclasses import replace

import torch

from n2d import __version__
from n2d._memory import freed_memory_kept
from n2d._surroundings import undisturbed
from n2d.applying.workers import workers
from n2d.core.device import usable_device

_CURRENT = ContextVar("cluster", default=None)

# Seconds to wait for a scheduler that does not answer.
_PATIENCE = 10

# A pixel of a tile on its way out and back, of a few channels, in double precision.
_BYTES = 64

# Networks that are on the cluster and may be asked for again.
_MOST_SENT = 8


@contextlib.contextmanager
def computing_on(address):
    """Let the workers of a cluster denoise what takes more than one tile.

    They compute on their processors; fits, and what is a single tile, stay here.

    Parameters
    ----------
    address : str or None
        Of the scheduler, such as ``"tcp://10.0.0.1:8786"``; None: compute here.

    Yields
    ------
    Cluster or None

    Raises
    ------
    ImportError
        If Dask's package `distributed` is not installed.
    ValueError
        If nobody answers, or the workers have no n2d or another version of it.
    """
    if address is None:
        yield None
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise ImportError(
            'a cluster needs Dask: pip install "noise2detail[dask]"'
        ) from error
    try:
        client = Client(address, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"there is no Dask scheduler at {address} ({error}); start one with `dask "
            "scheduler`, and workers with `dask worker ADDRESS`"
        ) from error
    with client:
        cluster = Cluster(client)
        cluster.check()
        token = _CURRENT.set(cluster)
        try:
            yield cluster
        finally:
            _CURRENT.reset(token)


def current_cluster():
    """Return the cluster that computes for this thread, or None."""
    return _CURRENT.get()


class Cluster:
    """The workers of a Dask cluster.

    Parameters
    ----------
    client : distributed.Client
        Connected.
    """

    def __init__(self, client):
        self._client, self._sent = client, {}

    def at_once(self, jobs, memory):
        """Say how many tiles may be under way: two for each worker, as far as they fit.

        Parameters
        ----------
        jobs : list of tuple
            Images' numbers and their tiles.
        memory : int
            Bytes here for what goes out and comes back.

        Returns
        -------
        int
        """
        largest = max(tile.window[2] * tile.window[3] for _, tile in jobs)
        room = int(memory // (_BYTES * largest))
        return max(1, min(2 * len(self._client.nthreads()), room))

    def check(self):
        """Raise where there is no worker, or one that has another version of n2d."""
        where = self._client.scheduler.address
        if not self._client.nthreads():
            raise ValueError(f"the scheduler at {where} has no workers")
        try:
            versions = set(self._client.run(_version).values())
        except Exception as error:
            raise ValueError(
                f"the workers at {where} cannot import n2d ({error}); install the "
                "same version there as here"
            ) from error
        if versions != {__version__}:
            raise ValueError(
                f"the workers at {where} have n2d {', '.join(sorted(versions))}, and "
                f"here is {__version__}; install the same version everywhere"
            )

    def submit(self, estimates, *arguments):
        """Compute a tile, as an executor would; see `TileDenoiser.estimates`."""
        denoiser = estimates.__self__
        stages = self._network(denoiser.stages)
        return _Future(
            self._client.submit(
                *(_estimates, stages, replace(denoiser, stages=None), *arguments),
                pure=False,
            )
        )

    def _network(self, stages):
        """Send what is large once."""
        if id(stages) not in self._sent:
            while len(self._sent) >= _MOST_SENT:
                del self._sent[next(iter(self._sent))]
            # Kept with what it is of, so that nothing else gets that id.
            self._sent[id(stages)] = (
                stages,
                self._client.scatter(stages, broadcast=True, hash=False),
            )
        return self._sent[id(stages)][1]


class _Future:
    """A future of a cluster, whose loss is an error and not the end of the program."""

    def __init__(self, future):
        self._future = future

    def result(self):
        with self._losing():
            return self._future.result()

    def exception(self):
        with self._losing():
            return self._future.exception()

    @contextlib.contextmanager
    def _losing(self):
        try:
            yield
        except CancelledError as error:
            raise RuntimeError(
                "the cluster was lost while it denoised; is its scheduler running?"
            ) from error


def _version():
    return __version__


@undisturbed
def _estimates(stages, denoiser, values, tile, device, names, dtype):
    """Denoise a tile on a worker."""
    device = usable_device(str(device), fall_back=True)
    denoiser = replace(denoiser, stages=stages).to(device)
    with freed_memory_kept(), workers(1, torch.get_num_threads(), device) as submit:
        return submit(denoiser.estimates, values, tile, device, names, dtype).result()
