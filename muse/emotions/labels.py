"""Labels of a classifier or a data set under the names of a taxonomy: by name, never by position."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from muse.emotions import Taxonomy


def clean(label: object) -> str:
    """As labels are compared: small letters, no spaces around."""
    return str(label).strip().lower()


def assignment(
    labels: Sequence[str], taxonomy: Taxonomy, label_map: Mapping[str, str] | None = None
) -> tuple[int | None, ...]:
    """For each label the index of its emotion, or None where it is left out.

    Args:
        labels: of a classifier or a data set. Several may mean one emotion.
        label_map: what labels mean that are no names of the taxonomy; "" leaves a label out.

    Raises:
        ValueError: a label of unknown meaning, an emotion that no label stands for, or a map of labels that are
            not there.
    """
    own = [clean(label) for label in labels]
    given = {clean(label): clean(emotion) for label, emotion in (label_map or {}).items()}
    if absent := [label for label in given if label not in own]:
        raise ValueError(
            f"label_map names {', '.join(absent)}, but the labels are {', '.join(own)}"
        )
    for emotion in given.values():
        if emotion:
            taxonomy.index(emotion)
    meant = [given.get(label, label) for label in own]
    strange = [
        label
        for label, emotion in zip(own, meant, strict=True)
        if emotion and emotion not in taxonomy.labels
    ]
    missing = [emotion for emotion in taxonomy.labels if emotion not in meant]
    if strange or missing:
        both = f"the labels ({', '.join(own)}) are not those of {taxonomy.name} ({', '.join(taxonomy.labels)})"
        if not strange:
            raise ValueError(
                f"{both}: none stands for {', '.join(missing)}; say in label_map which does"
            )
        near = difflib.get_close_matches(strange[0], taxonomy.labels, n=1, cutoff=0.0)[0]
        raise ValueError(
            f"{both}; say in label_map what {', '.join(strange)} means, as in {strange[0]!r} = {near!r}, "
            'or "" to leave a label out'
        )
    return tuple(taxonomy.labels.index(emotion) if emotion else None for emotion in meant)
