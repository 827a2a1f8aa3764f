"""`save` and `load` of an estimator."""

import io

from sklearn.utils.validation import check_is_fitted

from n2d._surroundings import undisturbed
from n2d.core.device import usable_device
from n2d.model_file.container import ModelFileError, pack, read_model, unpack
from n2d.model_file.state import describe, restore


class SavedAsFile:
    """Gives an estimator the methods `save` and `load`."""

    @undisturbed
    def save(self, path, *, overwrite=False):
        """Write the fitted estimator to a model file, whole or not at all.

        The file is a safetensors file, usually called ``*.n2d``, of 0.1 to 0.4 MB with
        the default network: weights, the shipped network's too, parameters, everything
        measured in `fit`, and a fingerprint of what was fitted to. It holds no pixels
        and nothing that could be executed.

        Parameters
        ----------
        path : str or os.PathLike
            The file to write.
        overwrite : bool, default=False
            Whether the file may exist.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If `fit` has not been called.
        FileExistsError
            If the file exists and `overwrite` is False.
        n2d.model_file.ModelFileError
            If a parameter is of a kind that the file cannot hold.
        OSError
            If the file cannot be written.

        See Also
        --------
        load : Read the file.

        Notes
        -----
        A `random_state` that is a ``RandomState`` instance is saved as None: its
        state says nothing about this fit. Lists of numbers come back as tuples. What
        ``set_output`` has chosen is not saved. A checksum finds whatever was damaged or
        edited; it is no signature, and does not say who wrote the file.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> import numpy as np
        >>> from n2d import Noise2DetailDenoiser
        >>> noisy = np.random.default_rng(0).normal(100, 5, (32, 32))
        >>> denoiser = Noise2DetailDenoiser().fit(noisy)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "model.n2d")
        ...     denoiser.save(path)
        ...     loaded = Noise2DetailDenoiser.load(path)
        >>> np.array_equal(loaded.transform(noisy), denoiser.transform(noisy))
        True
        """
        check_is_fitted(self)
        from n2d.io import atomic_write

        try:
            content = pack(*describe(self))
            # A promise to those who keep the file alone: what is written can be read.
            restore(type(self), *unpack(io.BytesIO(content), len(content)))
        except ModelFileError as error:
            raise ModelFileError(f"{path}: {error}") from error
        with atomic_write(path, overwrite=overwrite) as temporary:
            temporary.write_bytes(content)

    @classmethod
    @undisturbed
    def load(cls, path, *, device=None):
        """Read a fitted estimator from a model file.

        Everything is checked, nothing executed. The result of `transform` is that of
        the estimator that was saved, bit for bit on the same processor and the same
        version of PyTorch.

        Parameters
        ----------
        path : str or os.PathLike
            A file that `save` or ``n2d fit`` has written.
        device : str, optional
            The estimator's `device` from now on. By default it stays what it was; if
            that is not there, `transform` says so and computes on the CPU.

        Returns
        -------
        Noise2DetailDenoiser
            Fitted.

        Raises
        ------
        n2d.model_file.ModelFileError
            If the file is damaged, no model file, or written in a newer format. The
            message names the file and says what to do.
        OSError
            If the file is missing or may not be read.
        ValueError
            If there is no such `device` on this machine.

        See Also
        --------
        save : Write such a file.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> from n2d import Noise2DetailDenoiser
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "photo.n2d")
        ...     _ = path.write_bytes(b"something else")
        ...     Noise2DetailDenoiser.load(path)
        Traceback (most recent call last):
        ...
        n2d.model_file.container.ModelFileError: ...photo.n2d: is no n2d model file ...
        """
        if device is not None:
            usable_device(device)
        document, tensors = read_model(path)
        try:
            estimator = restore(cls, document, tensors)
        except ModelFileError as error:
            raise ModelFileError(f"{path}: {error}") from error
        return estimator if device is None else estimator.set_params(device=device)
