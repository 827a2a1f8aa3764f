"""Image files denoised: from a file's axes to planes and fits, for every command."""

from n2d.files._jobs import DenoisedFile
from n2d.files.denoising import denoise_file

__all__ = ["DenoisedFile", "denoise_file"]
