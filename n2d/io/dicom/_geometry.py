"""DICOM: where in the patient the pixels of a file are."""

import numpy as np

from n2d.io.dicom._frames import functional

# Cosines have six digits in many files; and of positions, in millimetres.
_ROUNDING = 2e-3
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])


def place_of(dataset, n_frames):
    """Return an affine matrix, and whether frames are slices; None if not known.

    The matrix is from column, row and slice to millimetres to the right, to the front
    and upwards. It is known where frames are slices in equal distances, one after the
    other, or all are of one place.
    """
    if "MOSAIC" in (dataset.get("ImageType") or []):  # slices side by side, as one
        return None
    try:
        return _place(dataset, n_frames)
    except (AttributeError, TypeError, ValueError):  # such as text for a number
        return None


def _place(dataset, n_frames):
    directions = _each(dataset, n_frames, "PlaneOrientation", "ImageOrientationPatient")
    spacings = _each(dataset, n_frames, "PixelMeasures", "PixelSpacing")
    positions = _each(dataset, n_frames, "PlanePosition", "ImagePositionPatient")
    if any(found is None for found in (directions, spacings, positions)):
        return None
    for found in (directions, spacings):
        if np.ptp(found, axis=0).max() > _ROUNDING:
            return None
    along_row, along_column = directions[0].reshape(2, 3)
    normal = np.cross(along_row, along_column)
    lengths = [np.linalg.norm(v) for v in (along_row, along_column, normal)]
    if not np.allclose(lengths, 1, atol=_ROUNDING) or not (spacings[0] > 0).all():
        return None
    offsets = dataset.get("GridFrameOffsetVector")
    if offsets is not None and n_frames > 1:  # of doses
        offsets = np.array(offsets, float)
        positions = positions + (offsets - offsets[0])[:, None] * normal
    step, are_slices = normal * _thickness(dataset, n_frames), False
    if np.ptp(positions, axis=0).max() > _ROUNDING:
        step, are_slices = (positions[-1] - positions[0]) / (n_frames - 1), True
        even = positions[0] + np.arange(n_frames)[:, None] * step
        if np.abs(positions - even).max() > 0.01 * np.linalg.norm(step) + _ROUNDING:
            return None
        if abs(step @ normal) < 0.1 * np.linalg.norm(step):  # they move in their plane
            return None
    elif n_frames > 1 and not _has_own(dataset, "PlanePosition"):
        return None  # one place is said, and of which frame is not
    affine = np.eye(4)
    # The second number of a spacing is from column to column.
    columns = [along_row * spacings[0][1], along_column * spacings[0][0], step]
    affine[:3, :3] = _LPS_TO_RAS @ np.stack(columns, axis=1)
    affine[:3, 3] = _LPS_TO_RAS @ positions[0]
    return (affine, are_slices) if np.isfinite(affine).all() else None


def _each(dataset, n_frames, group, name):
    """Return what is said of every frame, in an array, or None."""
    items = functional(dataset, f"{group}Sequence", n_frames)
    found = [(dataset if item is None else item).get(name) for item in items]
    if any(values is None for values in found):
        return None
    n_numbers = {"ImageOrientationPatient": 6, "PixelSpacing": 2}.get(name, 3)
    return np.array(found, float).reshape(n_frames, n_numbers)


def _has_own(dataset, group):
    """Whether what is said is said of frames."""
    return functional(dataset, f"{group}Sequence", 1)[0] is not None or bool(
        dataset.get("PerFrameFunctionalGroupsSequence")
    )


def _thickness(dataset, n_frames):
    """Return how thick a slice is in millimetres, 1 where the file does not say."""
    item = functional(dataset, "PixelMeasuresSequence", n_frames)[0]
    found = float((dataset if item is None else item).get("SliceThickness") or 0)
    return found if 0 < found < np.inf else 1.0
