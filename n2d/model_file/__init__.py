"""Model files: a fitted estimator in one safetensors file, and nothing that runs.

`container` knows the file, `fields` checks values, `networks` and `state` turn what
`fit` has settled into values and tensors and back, `saving` is what a user sees.
"""

from n2d.model_file.container import FORMAT_VERSION, ModelFileError
from n2d.model_file.saving import SavedAsFile

__all__ = ["FORMAT_VERSION", "ModelFileError", "SavedAsFile"]
