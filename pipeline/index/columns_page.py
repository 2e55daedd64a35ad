"""The reference page of the metadata's columns, made from the record: `docs/columns.md`."""

from __future__ import annotations

from dataclasses import Field

from pipeline.output.records import ARROW_TYPE, DESCRIPTION, FIELDS, GROUP, KIND, PREFIX, TRACE

HEAD = """# Columns

`metadata.parquet` has a row for every request of the plan, and so has each `shards/*.parquet` for
the requests of its shard. Columns are flat; what does not apply is null. `KEY.json` has the same
values of one sample: a column whose name ends in capitals here, such as `judge_EMOTION`, is a
member of one object there (`judge`), further columns of the manifest are members of `manifest`, and
traces are left out. What is the same for the whole run (models with hashes, settings, versions) is
in `run.json`.

A mixture has no `emotion`: it is counted and classed as a mixture, never as one of its members.
`KEY.cls` is the position of the emotion in the taxonomy; of every mixture it is the number
of emotions, the class `mixture`.

| column | type | meaning |
|---|---|---|
"""

MEMBERS = {"scores": "FILTER", "manifest": "NAME"}
"""What stands for the members of a group; EMOTION for those that are not listed."""


def columns_page() -> str:
    """The page, as Markdown."""
    return HEAD + "\n".join(_line(field) for field in FIELDS) + "\n"


def _line(field: Field) -> str:
    kind, arrow_type = field.metadata[KIND], field.metadata[ARROW_TYPE]
    name, type_name = field.name, "any" if arrow_type is None else str(arrow_type)
    if kind == GROUP:
        name = field.metadata[PREFIX] + MEMBERS.get(field.name, "EMOTION")
    if kind == TRACE:
        type_name = "string: a JSON list"
    return f"| `{name}` | {type_name} | {field.metadata[DESCRIPTION]} |"
