"""The labels of a classifier or a data set under the names of a taxonomy."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from muse.emotions.taxonomy import Taxonomy, clean


def assignment(
    labels: Sequence[str], taxonomy: Taxonomy, label_map: Mapping[str, str] | None = None
) -> tuple[int | None, ...]:
    """For each label the index of its emotion, or None where it is left out.

    Labels are matched by name, never by position.

    Args:
        labels: of a classifier or a data set. Several of them may mean the same emotion.
        label_map: the emotion that a label means where the taxonomy does not have its name; ""
            leaves the label out.

    Raises:
        ValueError: if the meaning of a label is unknown, an emotion has no label, or the map names
            labels that are not there.
    """
    names = [clean(label) for label in labels]
    mapped = {clean(label): clean(emotion) for label, emotion in (label_map or {}).items()}
    if absent := [label for label in mapped if label not in names]:
        raise ValueError(
            f"label_map names {', '.join(absent)}, but the labels are {', '.join(names)}"
        )
    for emotion in mapped.values():
        if emotion:
            taxonomy.index(emotion)
    emotions = [mapped.get(name, name) for name in names]
    _check_complete(names, emotions, taxonomy)
    return tuple(taxonomy.labels.index(emotion) if emotion else None for emotion in emotions)


def _check_complete(names: Sequence[str], emotions: Sequence[str], taxonomy: Taxonomy) -> None:
    """Raise ValueError unless every label means an emotion, and every emotion has a label."""
    known = {"", *taxonomy.labels}
    unknown = [name for name, emotion in zip(names, emotions, strict=True) if emotion not in known]
    missing = [emotion for emotion in taxonomy.labels if emotion not in emotions]
    if not unknown and not missing:
        return
    mismatch = (
        f"the labels ({', '.join(names)}) are not those of {taxonomy.name} "
        f"({', '.join(taxonomy.labels)})"
    )
    if not unknown:
        raise ValueError(
            f"{mismatch}: none means {', '.join(missing)}; name in label_map the one that does"
        )
    # Another label that only looks similar would be wrong: `sadness` for `happiness`.
    near = difflib.get_close_matches(unknown[0], taxonomy.labels, n=1, cutoff=0.65)
    nearest = near[0] if near else "EMOTION"
    raise ValueError(
        f"{mismatch}; write in label_map what {', '.join(unknown)} means, "
        f'as in {unknown[0]!r} = {nearest!r}, or "" to leave a label out'
    )
