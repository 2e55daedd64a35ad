"""The types of a corpus's samples as `datasets` names them, for the header of the card.

Without them `datasets` infers the types from the first five samples, and fails on a column that is
null there. The form is that of `datasets.Features._to_yaml_list`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.types as pat

from pipeline.output.rows import RowLayout


def dataset_features(
    layout: RowLayout, image_format: str, classes: Sequence[str]
) -> list[dict[str, Any]]:
    """A YAML-ready entry for each file of a sample, and for the two keys that `datasets` adds.

    Args:
        layout: of the rows of the metadata.
        image_format: the ending of the images.
        classes: the names of the class indices.
    """
    names = {str(index): name for index, name in enumerate(classes)}
    keys = [_feature(field) for field in layout.json_schema()]
    return [
        {"name": "cls", "dtype": {"class_label": {"names": names}}},
        {"name": "json", "struct": keys},
        {"name": image_format, "dtype": "image"},
        {"name": "txt", "dtype": "string"},
        {"name": "__key__", "dtype": "string"},
        {"name": "__url__", "dtype": "string"},
    ]


def _feature(field: pa.Field) -> dict[str, Any]:
    return {"name": field.name, **_typed(field.type)}


def _typed(kind: pa.DataType) -> dict[str, Any]:
    if pat.is_struct(kind):
        return {"struct": [_feature(member) for member in kind]}
    if not pat.is_list(kind):
        return {"dtype": _dtype(kind)}
    # Lists of plain values and of structs have a short form.
    item = _typed(kind.value_type)
    if item.keys() == {"dtype"}:
        return {"list": item["dtype"]}
    return {"list": item["struct"] if item.keys() == {"struct"} else item}


def _dtype(kind: pa.DataType) -> str:
    return "float64" if pat.is_float64(kind) else str(kind)
