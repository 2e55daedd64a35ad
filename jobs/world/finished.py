"""Finished stages, kept in the repository in half precision: a new folder begins with them.

`python -m jobs.world.finished NAME --work FOLDER` puts those of a folder there. Training
goes on from them on any machine; `--anew` of `jobs.world.train` leaves them out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer
from safetensors import safe_open
from safetensors.torch import save_file

from jobs.world.training_loop import OPTIMIZERS, STEP
from pipeline.storage.files import temporary_name

FINISHED = Path(__file__).parent / "finished"


def keep(checkpoint: Path, folder: Path = FINISHED) -> Path:
    """Save the weights of a checkpoint of `Training`, without its optimizer.

    Returns:
        A .safetensors file of its name, float16 where the checkpoint is float32.
    """
    saved = torch.load(checkpoint, weights_only=True)
    tensors = {}
    for part in saved.keys() - {OPTIMIZERS, STEP}:
        for name, tensor in saved[part].items():
            kept = tensor.half() if tensor.is_floating_point() else tensor
            tensors[f"{part}.{name}"] = kept.contiguous()
    folder.mkdir(exist_ok=True)
    file = folder / f"{checkpoint.stem}.safetensors"
    save_file(tensors, file, metadata={STEP: str(saved[STEP])})
    return file


def take(work: Path, folder: Path = FINISHED) -> list[str]:
    """Make checkpoints of the finished stages that a folder has none of.

    Returns:
        Their names.
    """
    taken = []
    for file in sorted(folder.glob("*.safetensors")):
        checkpoint = work / f"{file.stem}.pt"
        if checkpoint.exists():
            continue
        state: dict[str, dict[str, torch.Tensor]] = {}
        with safe_open(file, "pt") as opened:
            step = int(opened.metadata()[STEP])
            for name in opened.keys():  # noqa: SIM118
                part, _, key = name.partition(".")
                tensor = opened.get_tensor(name)
                whole = tensor.float() if tensor.is_floating_point() else tensor
                state.setdefault(part, {})[key] = whole
        written = work / temporary_name(checkpoint.name)
        torch.save({**state, STEP: step}, written)
        written.replace(checkpoint)
        taken.append(file.stem)
    return taken


def main(
    names: Annotated[list[str], typer.Argument(help="Stages, such as vae.")],
    work: Annotated[Path, typer.Option(help="Checkpoints.")] = Path("build/mini"),
) -> None:
    """Keep finished stages of a folder in the repository."""
    for name in names:
        file = keep(work / f"{name}.pt")
        print(f"{file} {file.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    typer.run(main)
