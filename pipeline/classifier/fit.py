"""`muse-batch classifier fit`: labelled images in, a calibrated classifier folder out, with its figures."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps

from muse.classifiers.spec import SPEC_FILE, safe_config
from muse.diffusion.hub import local_folder
from muse.emotions.labels import assignment, clean
from pipeline.classifier.calibration import card, examine, split, temperature_of
from pipeline.classifier.datasets import read_labelled
from pipeline.classifier.training import Fit, Images, build, predict, train_head, tune
from pipeline.errors import UserError
from pipeline.storage.files import sha256_folder, write_bytes, write_json

if TYPE_CHECKING:
    from muse.classifiers import Preprocessing


def fit(data: Path, output: Path, settings: Fit, say: Callable[[str], None]) -> dict[str, Any]:
    """Fit a classifier to `data` and write it to `output`; returns its figures. `say` hears of the progress.

    The images lie beside `output` while it works, side x side x 3 bytes each (150 kB at 224 pixels).

    Raises:
        UserError: data, a backbone or a folder that cannot be used.
    """
    import torch

    from muse.classifiers.preprocessing import Preprocessing, read_settings

    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UserError(f"--output {output} exists already; give a new or empty folder")
    try:
        backbone = local_folder(settings.backbone)
        safe_config(backbone)
        processor = read_settings(backbone)
        looks = Preprocessing.of(processor)
    except ValueError as error:
        raise UserError(f"--backbone {settings.backbone!r}: {error}") from None
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fit-", dir=output.parent) as work:
        images = gather(data, Path(work) / "pixels", settings, looks)
        try:
            train, calibrate, held = split(images.emotions, settings.held_out, settings.seed)
        except ValueError as error:
            raise UserError(f"{data}: an emotion has {error}; each needs three at least") from None
        say(
            f"{len(train)} images to train on, {len(calibrate)} to calibrate on, {len(held)} to examine on"
        )
        torch.manual_seed(settings.seed)
        model = build(backbone, settings.taxonomy)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        teach = tune if settings.fine_tune else train_head
        teach(model.to(device), looks.to(device), images, train, settings, say)
        logits = {
            name: predict(model, looks, images, rows)
            for name, rows in (("c", calibrate), ("e", held))
        }
    temperature = temperature_of(logits["c"], torch.from_numpy(images.emotions[calibrate]))
    figures = examine(
        logits["e"].numpy(), images.emotions[held], temperature, settings.taxonomy.labels
    )
    origin = {
        "backbone": {"name": settings.backbone, "sha256": sha256_folder(backbone)},
        "data": str(data.name),
    }
    about = {
        **origin,
        "settings": settings.model_dump(),
        "trained_on": len(train),
        "figures": figures,
    }
    output.mkdir(parents=True, exist_ok=True)
    model.cpu().save_pretrained(output, safe_serialization=True)
    write_json(output / "preprocessor_config.json", processor)
    write_json(output / SPEC_FILE, {"kind": "model", "temperature": temperature, "about": about})
    write_bytes(output / "README.md", card(about, temperature).encode())
    return figures


def gather(data: Path, file: Path, settings: Fit, looks: Preprocessing) -> Images:
    """Decode every image once, at the model's size, into a file that need not fit in memory.

    Raises:
        UserError: images that cannot be decoded, labels that are not the taxonomy's, or an emotion without images.
    """
    import torch

    dropped = {clean(label) for label, emotion in settings.label_map.items() if not emotion}
    labels: list[str] = []
    broken: list[str] = []
    with open(file, "wb") as sink, torch.inference_mode():
        for item in read_labelled(data, settings.classes):
            label = clean(item.label)
            if label in dropped:
                labels.append(label)
                continue
            try:
                image = ImageOps.exif_transpose(Image.open(io.BytesIO(item.image))).convert("RGB")
            except Exception as error:  # decoders raise nearly anything on broken input
                broken.append(f"{item.name}: cannot be decoded ({error})")
                continue
            pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
            sink.write((looks.shape(pixels)[0].clamp(0, 1) * 255).round().byte().numpy().tobytes())
            labels.append(label)
    if broken:
        more = f"\n  and {len(broken) - 20} more" if len(broken) > 20 else ""
        raise UserError(f"{data}: mend or remove\n  " + "\n  ".join(broken[:20]) + more)
    known = sorted({*labels})
    try:
        meaning = dict(
            zip(known, assignment(known, settings.taxonomy, settings.label_map), strict=True)
        )
    except ValueError as error:
        raise UserError(f"{data}: {error}") from None
    kept = [emotion for label in labels if (emotion := meaning[label]) is not None]
    shape = (len(kept), 3, looks.side, looks.side)
    return Images(np.memmap(file, np.uint8, "r", shape=shape), np.array(kept))
