"""Image files denoised: from a file's axes to planes and fits, for every command."""

_PUBLIC = {"DenoisedFile": "n2d.files._jobs", "denoise_file": "n2d.files.denoising"}

__all__ = ["DenoisedFile", "denoise_file"]


def __getattr__(name):
    # On first use: whoever asks what the axes of a file mean computes nothing yet.
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_PUBLIC[name]), name)
