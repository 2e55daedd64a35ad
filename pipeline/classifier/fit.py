"""`muse-batch classifier fit`: labelled images in, a calibrated classifier folder out, with its
figures."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from muse.classifiers.spec import SPEC_FILE, safe_config
from muse.diffusion.files.hub import local_folder
from muse.emotions.labels import assignment, clean
from muse.images import UnreadableImageError, decode, to_tensor
from pipeline.classifier.calibration import card, examine, split, temperature_of
from pipeline.classifier.datasets import FORMS, read_labelled
from pipeline.classifier.labelled import Findings
from pipeline.classifier.quality import problems_of
from pipeline.classifier.training import Fit, Images, build, predict, train_head, tune
from pipeline.config_tables import Images as ImageLimits
from pipeline.errors import UserError
from pipeline.storage.files import sha256_folder, write_bytes, write_json
from pipeline.storage.targets import refuse_target

if TYPE_CHECKING:
    from muse.classifiers import Preprocessing

MAX_PIXELS = ImageLimits().max_pixels
"""Of an image, as in a run."""

MAX_BROKEN_SHOWN = 20
"""Broken images that a message lists."""


def fit(
    data: Path, output: Path, settings: Fit, on_progress: Callable[[str], None]
) -> dict[str, Any]:
    """Fit a classifier to `data` and write it to `output`; returns its figures.

    The images are kept beside `output` meanwhile, side x side x 3 bytes each (150 kB at 224
    pixels).

    Args:
        on_progress: called with what is done next, and what was ignored.

    Raises:
        UserError: data, a backbone or a folder that cannot be used.
    """
    import torch

    from muse.classifiers.image_processors import read_settings
    from muse.classifiers.preprocessing import Preprocessing
    from muse.diffusion.quiet import quiet_loading

    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UserError(f"--output {output} exists already; give a new or empty folder")
    refuse_target(output)
    try:
        backbone = local_folder(settings.backbone)
        safe_config(backbone)
        processor = read_settings(backbone)
        preprocessing = Preprocessing.from_pretrained(backbone)
    except ValueError as error:
        raise UserError(f"--backbone {settings.backbone!r}: {error}") from None
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fit-", dir=output.parent) as work:
        images = gather(data, Path(work) / "pixels", settings, preprocessing, on_progress)
        try:
            train, calibrate, held = split(images.emotions, settings.held_out, settings.seed)
        except ValueError as error:
            raise UserError(f"{data}: an emotion has {error}; each needs three at least") from None
        if not len(train):
            raise UserError(
                f"held_out = {settings.held_out:g} of {len(images.emotions)} images leaves none to "
                "train on; give a smaller share, or more images"
            )
        on_progress(
            f"{len(train)} images to train on, {len(calibrate)} to calibrate on, "
            f"{len(held)} to examine on"
        )
        torch.manual_seed(settings.seed)
        model = build(backbone, settings.taxonomy)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        teach = tune if settings.fine_tune else train_head
        teach(model.to(device), preprocessing.to(device), images, train, settings, on_progress)
        logits_calibrate = predict(model, preprocessing, images, calibrate)
        logits_held = predict(model, preprocessing, images, held)
    temperature = temperature_of(logits_calibrate, torch.from_numpy(images.emotions[calibrate]))
    labels = settings.taxonomy.labels
    counts = Counter(images.emotions[train].tolist())
    figures = examine(logits_held.numpy(), images.emotions[held], temperature, labels)
    figures["trained_on"] = {label: counts[i] for i, label in enumerate(labels)}
    figures["problems"] = problems_of(figures)
    about = {
        "backbone": {"name": settings.backbone, "sha256": sha256_folder(backbone)},
        "data": str(data.name),
        "settings": settings.model_dump(),
        "trained_on": len(train),
        "figures": figures,
    }
    output.mkdir(parents=True, exist_ok=True)
    with quiet_loading("transformers"):
        model.cpu().save_pretrained(output)
    write_json(output / "preprocessor_config.json", processor)
    write_json(output / SPEC_FILE, {"kind": "model", "temperature": temperature, "about": about})
    write_bytes(output / "README.md", card(about, temperature).encode())
    return figures


def gather(
    data: Path,
    file: Path,
    settings: Fit,
    preprocessing: Preprocessing,
    on_progress: Callable[[str], None],
) -> Images:
    """Decode every image once, at the model's size, into a file that need not fit in memory.

    Raises:
        UserError: images that cannot be decoded, labels that are not the taxonomy's, or an emotion
            without images.
    """
    import torch

    dropped = {clean(label) for label, emotion in settings.label_map.items() if not emotion}
    labels: list[str] = []
    findings, seen = Findings(), dict[bytes, str]()
    with open(file, "wb") as sink, torch.inference_mode():
        for item in read_labelled(data, settings.classes, findings):
            label = clean(item.label)
            # A copy among the held-out images would make the figures too good.
            digest = sha256(item.image).digest()
            if digest in seen:
                kind = "that are there twice" if seen[digest] == label else "that have two labels"
                findings.ignored[f"image(s) {kind}, of which the first is used"] += 1
                continue
            seen[digest] = label
            if label in dropped:
                labels.append(label)
                continue
            try:
                pixels = to_tensor(decode(item.image, MAX_PIXELS))[None]
            except UnreadableImageError as error:
                findings.broken.append(f"{item.name}: {error}")
                continue
            shaped = preprocessing.shape(pixels)[0].clamp(0, 1)
            sink.write((shaped * 255).round().byte().numpy().tobytes())
            labels.append(label)
    if ignored := findings.summary():
        on_progress(f"ignored: {ignored}")
    _refuse_broken(data, findings.broken)
    if not labels:
        raise UserError(f"{data}: no labelled images; give {FORMS}")
    known = sorted({*labels})
    try:
        emotions = assignment(known, settings.taxonomy, settings.label_map)
    except ValueError as error:
        raise UserError(f"{data}: {error}") from None
    meaning = dict(zip(known, emotions, strict=True))
    kept = [emotion for label in labels if (emotion := meaning[label]) is not None]
    shape = (len(kept), 3, preprocessing.side, preprocessing.side)
    return Images(np.memmap(file, np.uint8, "r", shape=shape), np.array(kept))


def _refuse_broken(data: Path, broken: list[str]) -> None:
    if not broken:
        return
    more = len(broken) - MAX_BROKEN_SHOWN
    lines = [*broken[:MAX_BROKEN_SHOWN], *([f"and {more} more"] if more > 0 else [])]
    listed = "\n  ".join(lines)
    raise UserError(f"{data}: {len(broken)} image(s) cannot be used; fix or remove\n  {listed}")
