"""`croissant.json`: the corpus in the metadata format of MLCommons (Croissant 1.0).

The specification: https://docs.mlcommons.org/croissant/docs/croissant-spec.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.types as pat

from pipeline.index.metadata import METADATA_FILE
from pipeline.output.records import DESCRIPTION, FIELDS, GROUP, MEMBER
from pipeline.output.run.run_file import RunFile
from pipeline.storage.files import Location, size_of, write_json

CROISSANT_FILE = "croissant.json"

CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""Appendix 1 of the specification."""


CITATION = (
    "@misc{muse2025, title={MUSE: Manipulating Unified Framework for Synthesizing Emotions in "
    "Images via Test-Time Optimization}, "
    "author={Xia and Wang and Shi and Kalogeiton and Yang}, "
    "eprint={2511.21051}, archivePrefix={arXiv}, year={2025}}"
)
"""Of the method. A date of publication and a license, which are recommended as well, are for who
publishes the corpus to add."""


def write_croissant(
    output: Location, run: RunFile, schema: pa.Schema, description: str, metadata_sha256: str
) -> str:
    """Write `croissant.json` for a corpus whose `metadata.parquet` is there; returns its SHA-256.

    Args:
        schema: of the rows of the metadata.
    """
    metadata = {
        "@type": "cr:FileObject",
        "@id": "metadata",
        "name": METADATA_FILE,
        "contentUrl": METADATA_FILE,
        "contentSize": f"{size_of(output / METADATA_FILE)} B",
        "encodingFormat": "application/x-parquet",
        "sha256": metadata_sha256,
    }
    shards = {
        "@type": "cr:FileSet",
        "@id": "shards",
        "name": "shards",
        "description": "WebDataset tars with the image, prompt, class and metadata of each sample.",
        "encodingFormat": "application/x-tar",
        "includes": "shards/*.tar",
    }
    records = {
        "@type": "cr:RecordSet",
        "@id": "requests",
        "name": "requests",
        "description": "One record for each planned request; accepted ones have a sample.",
        "key": {"@id": "requests/key"},
        "field": list(_fields(schema)),
    }
    corpus = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": "emotion-augmented-images",
        "description": description,
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "citeAs": CITATION,
        "version": run.parts["versions"]["muse-batch"],
        "keywords": ["synthetic", "emotion"],
        "distribution": [metadata, shards],
        "recordSet": [records],
    }
    return write_json(output / CROISSANT_FILE, corpus)


def _fields(schema: pa.Schema) -> Iterator[dict[str, Any]]:
    descriptions = {field.name: field.metadata[DESCRIPTION] for field in FIELDS}
    for field in schema:
        data_type = _data_type(field.type)
        if data_type is None:
            continue
        origin = field.metadata or {}
        group = origin.get(GROUP.encode(), b"").decode()
        description = descriptions[group or field.name]
        if group:
            description = f"{origin[MEMBER.encode()].decode()}: {description}"
        yield {
            "@type": "cr:Field",
            "@id": f"requests/{field.name}",
            "name": field.name,
            "description": description,
            "dataType": data_type,
            "source": {"fileObject": {"@id": "metadata"}, "extract": {"column": field.name}},
        }


def _data_type(kind: pa.DataType) -> str | None:
    """Croissant's type of a column; None for types that it has no name for."""
    if pat.is_string(kind) or pat.is_large_string(kind):
        return "sc:Text"
    if pat.is_boolean(kind):
        return "sc:Boolean"
    if pat.is_integer(kind):
        return "sc:Integer"
    return "sc:Float" if pat.is_floating(kind) else None
