"""The data card of a corpus: its `README.md`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import yaml

from pipeline.index.counts import OTHER_MIXTURES
from pipeline.index.features import dataset_features
from pipeline.index.markdown import escape, table
from pipeline.index.metadata import METADATA_FILE
from pipeline.index.readers import READERS, READERS_OF_METADATA, snippet
from pipeline.output.markers import read_markers
from pipeline.output.rows import layout_of
from pipeline.output.run.run_file import RunFile
from pipeline.output.sample_files import MIXTURE, class_names
from pipeline.storage.files import Location, write_bytes
from pipeline.terminal import percent

TITLE = "Emotion-augmented images"

SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"))
LARGER_SIZES = ((10**7, "1M<n<10M"), (10**8, "10M<n<100M"), (10**9, "100M<n<1B"))
"""Upper bounds of accepted samples, and the hub's names of the size categories."""

USES = """## Uses

Made for training and testing models of the emotions that images evoke, and for research on how
images evoke them. The samples must not be passed off as photographs or as documents of anything
that happened; nor be used to train or run systems that infer the emotions of people, in particular
at work, in education, in policing or in care; nor to manipulate people. Confidences are those of
classifiers: they are evidence, not ground truth, and {confirmed}. A model that
was trained on this corpus has to be tested on photographs that people have labelled.

## Licence

None is stated. Fill in `license` above: it depends on the licences of the models above, of the
manifest and of the source images.
"""

UNLOOKED_AT = "no human has confirmed a label"
LOOKED_AT = "people have confirmed no label but those of the samples that they flagged"

SOURCES = {
    "fit": "Source images of other aspects than the model makes were cropped to their middle.",
    "crop": "Source images of another aspect than the model's own were cropped to their middle.",
    "pad": "Source images of other aspects than the model makes were padded by their edges.",
    "stretch": "Source images of other aspects than the model makes were stretched.",
}
"""What became of source images, by the setting `resize`."""

NOTHING_ACCEPTED = """**No sample was accepted**: there is no image to read. `metadata.parquet` says
why each request was rejected or failed.
"""


def write_card(output: Location, run: RunFile, counts: Mapping[str, Any], schema: pa.Schema) -> str:
    """Write `README.md`; returns its SHA-256.

    Its header has `datasets.load_dataset` read the shards, not the parquet.

    Args:
        counts: as `SampleCounts.as_dict` gives them.
        schema: of the rows of the metadata.
    """
    markers = read_markers(output)
    content = markers[-1].digest if markers else run.identity
    return write_bytes(output / "README.md", card_text(run, counts, schema, content).encode())


def card_text(run: RunFile, counts: Mapping[str, Any], schema: pa.Schema, content: str) -> str:
    """The whole card, as Markdown.

    Args:
        content: a digest of the samples.
    """
    parts = [
        f"---\n{_header(run, counts, schema, content)}---\n",
        f"# {TITLE}\n",
        description(run, counts) + "\n",
        "![contact sheet](contact_sheet.png)\n" if counts["accepted"] else NOTHING_ACCEPTED,
        _counts(counts),
        _thresholds(run),
        _models(run),
        USES.format(confirmed=UNLOOKED_AT if "flags" not in run.parts else LOOKED_AT),
        _files(run, counts),
        _readers(run, bool(counts["accepted"])),
    ]
    return "\n".join(parts)


def description(run: RunFile, counts: Mapping[str, Any]) -> str:
    """What the corpus is, in two or three sentences; `counts` as of `write_card`."""
    version = run.parts["versions"]["muse-batch"]
    if run.config["engine"] == "null":
        return (
            f"**A dry run** of muse-batch {version}: the null engine made these images and all "
            "their scores from seeds; they show nothing."
        )
    made = (
        f"Made by muse-batch {version}. Every image is synthetic: generated, or edited from a "
        "source image, toward a chosen emotion by MUSE (arXiv 2511.21051)."
    )
    if "edit" not in counts["tasks"]:
        return made
    # A corpus of before this setting has the middle of its source images.
    return f"{made} {SOURCES[run.config.get('resize', 'crop')]}"


def _header(run: RunFile, counts: Mapping[str, Any], schema: pa.Schema, content: str) -> str:
    """YAML by which `datasets` and the Hugging Face hub know what the files are."""
    config = run.config
    classes = class_names(config["taxonomy"]["labels"], bool(counts["mixtures"]))
    tasks = ["image-classification", "text-to-image"]
    if "edit" in counts["tasks"]:
        tasks.append("image-to-image")
    # Without a sample there is no tar: what can be loaded is the metadata.
    features = dataset_features(layout_of(schema), config["image_format"], classes)
    # `datasets` caches by the name of the folder and this header. Without what tells the content,
    # it would give the samples of another corpus of the same name.
    info = {"description": f"corpus {content[:16]}"}
    samples = {
        "configs": [{"config_name": "default", "data_files": "shards/*.tar"}],
        "dataset_info": {**info, "features": features},
    }
    metadata = {
        "configs": [{"config_name": "default", "data_files": METADATA_FILE}],
        "dataset_info": info,
    }
    header = {
        "pretty_name": TITLE,
        "license": "unknown",
        "task_categories": tasks,
        "size_categories": [_size_category(counts["accepted"])],
        "tags": ["synthetic", "emotion", "webdataset"],
        **(samples if counts["accepted"] else metadata),
    }
    return yaml.safe_dump(header, sort_keys=False, allow_unicode=True, width=100)


def _size_category(samples: int) -> str:
    for bound, name in SIZES + LARGER_SIZES:
        if samples < bound:
            return name
    return "n>1T" if samples > 10**12 else "1B<n<10B" if samples < 10**10 else "10B<n<100B"


def _counts(counts: Mapping[str, Any]) -> str:
    statuses = ("requests", "accepted", "rejected", "failed")
    text = table(statuses, [[counts[name] for name in statuses]])
    text += "\n" + table(("emotion", "requests", "accepted", "share"), _shares(counts["emotions"]))
    if counts["mixtures"]:
        text += "\n" + table(
            ("mixture", "requests", "accepted", "share"), _shares(counts["mixtures"])
        )
        text += (
            "\nA mixture counts for none of its members: it has no `emotion`, and its class is "
            f"`{MIXTURE}`.\n"
        )
    return text


def _shares(targets: Mapping[str, Mapping[str, int]]) -> Iterable[Sequence[Any]]:
    for name, count in targets.items():
        shown = name if name == OTHER_MIXTURES else escape(name)
        share = percent(count["accepted"] / count["requests"])
        yield shown, count["requests"], count["accepted"], share


def _thresholds(run: RunFile) -> str:
    """What a sample had to reach to be accepted."""
    config = run.config
    if config["engine"] == "null":
        trust = "The scores are numbers drawn from seeds."
    elif run.same_judge:
        trust = (
            "**The judge is the guide, which the images were optimised for: its confidence proves "
            "nothing.**"
        )
    else:
        trust = "The judge took no part in the optimisation."
    rows = [("judge_confidence", f"at least {config['min_confidence']:g}")]
    for score in ("similarity", "source_similarity"):
        if config[f"min_{score}"] > -1:
            rows.append((score, f"at least {config[f'min_{score}']:g}"))
    for name, threshold in sorted(config["filters"].items()):
        rows.append((escape(f"score_{name}"), f"at least {threshold:g}"))
    if config["near_duplicates"] >= 0:
        distance = config["near_duplicates"]
        rows.append(("phash", f"more than {distance} bits from every earlier sample"))
    if config["quota"]:
        rows.append((f"samples of one {escape(config['quota_by'])}", f"{config['quota']} at most"))
    by_hand = ""
    if flags := run.parts.get("flags"):
        by_hand = (
            f"\nPeople flagged samples, whatever their scores: {flags['accept']} to be accepted, "
            f"{flags['reject']} to be rejected.\n"
        )
    return f"{table(('accepted if', 'is'), rows)}\n{trust}\n{by_hand}"


def _models(run: RunFile) -> str:
    """The models and their hashes; the null engine has none."""
    rows = []
    for role, model in run.parts["models"].items():
        if model["sha256"]:
            rows.append((escape(role), escape(model["name"]), f"`{model['sha256']}`"))
    return table(("role", "model", "SHA-256"), rows) if rows else "No model took part.\n"


def _files(run: RunFile, counts: Mapping[str, Any]) -> str:
    config = run.config
    classes = class_names(config["taxonomy"]["labels"], bool(counts["mixtures"]))
    rows = [(index, escape(name)) for index, name in enumerate(classes)]
    return (
        "## Files\n\n"
        f"`shards/*.tar` hold each sample as KEY.{config['image_format']} (image), KEY.txt "
        "(prompt), KEY.cls (class) and KEY.json (its metadata; with `run.json`, all that is needed "
        "to make it again). `metadata.parquet` has a row for every request, also the rejected and "
        "failed ones with their reasons. Every image says in its XMP that it is synthetic, and the "
        "key under which it was made. `croissant.json` describes the corpus to programs; "
        "`_info.json` and "
        "`shards/sizes.json` are for timm and open_clip.\n\n" + table(("class", "emotion"), rows)
    )


def _readers(run: RunFile, has_samples: bool) -> str:
    parts = ["## Reading it\n\nIn the folder of this file:\n"]
    for library in READERS if has_samples else READERS_OF_METADATA:
        code = snippet(library, ".", run.config["image_format"])
        parts.append(f"With {library}:\n\n```python\n{code}\n```\n")
    return "\n".join(parts)
