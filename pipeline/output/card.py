"""The data card of a corpus: its `README.md`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import yaml

from pipeline.output.features import dataset_features
from pipeline.output.rows import layout_of
from pipeline.output.run_file import RunFile
from pipeline.output.sample_files import class_names
from pipeline.storage.files import Location, write_bytes

READERS = """```python
import webdataset
from datasets import load_dataset

data = load_dataset("PATH")
data = webdataset.WebDataset("PATH/shards/00000.tar").decode("pil")
```
"""


def write_card(
    output: Location, run: RunFile, counts: Mapping[str, Any], schema: pa.Schema
) -> None:
    """Write `README.md`. Its header has `datasets.load_dataset` read the shards, not the parquet.

    Args:
        counts: as `count_samples` gives them.
        schema: of the rows of the metadata.
    """
    write_bytes(output / "README.md", card_text(run, counts, schema).encode())


def card_text(run: RunFile, counts: Mapping[str, Any], schema: pa.Schema) -> str:
    """The whole card, as Markdown."""
    parts = [
        f"---\n{_header(run, counts, schema)}---\n",
        "# Emotion-augmented images\n",
        _origin(run),
        "![contact sheet](contact_sheet.png)\n",
        _counts_table(counts),
        _emotions_table(counts),
        _models_table(run),
        _files(run),
        READERS,
    ]
    return "\n".join(parts)


def cell(text: str) -> str:
    """Text as one cell of a table, whatever it holds."""
    return "".join(c if c.isprintable() and c not in "|`<>[]" else "?" for c in text)


def _header(run: RunFile, counts: Mapping[str, Any], schema: pa.Schema) -> str:
    """YAML by which `datasets` and the Hugging Face hub know what the files are."""
    config = run.config
    classes = class_names(config["taxonomy"]["labels"], bool(counts["mixtures"]))
    features = dataset_features(layout_of(schema), config["image_format"], classes)
    header = {
        "configs": [{"config_name": "default", "data_files": "shards/*.tar"}],
        "dataset_info": {"features": features},
        "tags": ["synthetic", "emotion"],
    }
    return yaml.safe_dump(header, sort_keys=False, allow_unicode=True, width=100)


def _origin(run: RunFile) -> str:
    config = run.config
    if config["engine"] == "null":
        origin = (
            "**A dry run**: the null engine made these images and all their scores from seeds; "
            "they show nothing."
        )
    else:
        origin = (
            "Every image is synthetic: generated, or edited from a source image, toward a chosen "
            "emotion by MUSE (arXiv 2511.21051)."
        )
    if run.same_judge:
        trust = (
            "**the judge is the guide, which the images were optimised for: its confidence proves "
            "nothing**"
        )
    else:
        trust = "the judge took no part in the optimisation"
    version = run.parts["versions"]["muse-batch"]
    return (
        f"Made by muse-batch {version}. {origin} A sample is accepted if the judge's confidence in "
        f"its target is at least {config['min_confidence']:g}; {trust}.\n"
    )


def _counts_table(counts: Mapping[str, Any]) -> str:
    return (
        "| requests | accepted | rejected | failed |\n"
        "|---|---|---|---|\n"
        f"| {counts['requests']} | {counts['accepted']} | {counts['rejected']} "
        f"| {counts['failed']} |\n"
    )


def _emotions_table(counts: Mapping[str, Any]) -> str:
    lines = ["| emotion | requests | accepted | share |", "|---|---|---|---|"]
    for emotion, count in (counts["emotions"] | counts["mixtures"]).items():
        share = count["accepted"] / count["requests"]
        lines.append(
            f"| {cell(emotion)} | {count['requests']} | {count['accepted']} | {share:.0%} |"
        )
    return "\n".join(lines) + "\n"


def _models_table(run: RunFile) -> str:
    lines = ["| role | model | SHA-256 |", "|---|---|---|"]
    for role, model in run.parts["models"].items():
        lines.append(f"| {cell(role)} | {cell(model['name'])} | `{model['sha256'][:16]}` |")
    return "\n".join(lines) + "\n"


def _files(run: RunFile) -> str:
    config = run.config
    labels = ", ".join(config["taxonomy"]["labels"])
    return (
        f"`shards/*.tar` hold each sample as KEY.{config['image_format']} (image), KEY.txt "
        f"(prompt), KEY.cls (index of the emotion in {labels}) and KEY.json (all that is needed to "
        "make it again). `metadata.parquet` has a row for every request, also the rejected and "
        "failed ones with their reasons, and the traces. Confidences are those of the judge, a "
        "classifier: they are evidence, not ground truth.\n"
    )
