"""DICOM: what a multi-frame image says of each of its frames."""


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
