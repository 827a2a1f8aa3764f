"""DICOM: what a multi-frame image says of each of its frames."""

import numpy as np


def n_frames_of(dataset):
    """Count the frames of a file; one that does not say so is a single image."""
    return int(dataset.get("NumberOfFrames", 1) or 1)


def functional(dataset, sequence, n_frames):
    """Return an item of a functional group for every frame, None where there is none.

    Multi-frame images have what single ones have in one place in the groups that all
    frames share, or in one for each frame.
    """

    def first(groups):
        found = groups.get(sequence)
        return found[0] if found else None

    shared = dataset.get("SharedFunctionalGroupsSequence") or []
    common = first(shared[0]) if shared else None
    each = dataset.get("PerFrameFunctionalGroupsSequence") or []
    own = [first(groups) for groups in each] if len(each) == n_frames else []
    own = own or [None] * n_frames
    return [common if one is None else one for one in own]


def scale_of(dataset, n_frames, n_axes):
    """Return slope and intercept: numbers, or arrays where frames differ."""
    items = functional(dataset, "PixelValueTransformationSequence", n_frames)
    scales = []
    for item in items:
        source = dataset if item is None else item
        # Doses have another name for it.
        named = source.get("RescaleSlope") or source.get("DoseGridScaling")
        slope = float(named or 1)
        scales.append((slope, float(source.get("RescaleIntercept", 0) or 0)))
    if len(set(scales)) == 1:
        return scales[0]
    shape = (n_frames, *[1] * (n_axes - 1))
    slopes, intercepts = np.array(scales).T
    return slopes.reshape(shape), intercepts.reshape(shape)


def set_scale(dataset, slope, intercept):
    """Have a data set say slope and intercept, texts, of all frames."""
    groups = [
        *(dataset.get("SharedFunctionalGroupsSequence") or []),
        *(dataset.get("PerFrameFunctionalGroupsSequence") or []),
    ]
    items = [
        item
        for group in groups
        for item in group.get("PixelValueTransformationSequence") or []
    ]
    for group in groups:
        if "FrameVOILUTSequence" in group:  # a window for the values that were
            del group.FrameVOILUTSequence
    if not items or "RescaleSlope" in dataset:
        items.append(dataset)
    for item in items:
        if "DoseGridScaling" in item and "RescaleSlope" not in item:
            item.DoseGridScaling = slope
        else:
            item.RescaleSlope, item.RescaleIntercept = slope, intercept
