"""Why a diffusion model, or what replaces a part of it, cannot be loaded: what `plan` tells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from muse.diffusion.files.chosen_file import unread_beside
from muse.diffusion.files.embeddings.embedding_files import Embedding
from muse.diffusion.files.embeddings.embedding_fit import EmbeddingTarget
from muse.diffusion.files.hub import (
    configs_beside,
    embedding_and_token,
    family_of,
    part_config,
    vae_config,
)
from muse.diffusion.files.loras.lora_files import lora_problems, lora_warnings
from muse.diffusion.files.loras.lora_target import LoraTarget
from muse.diffusion.files.model_problems import model_problems
from muse.diffusion.files.part_fit import tiny_vae_problem, token_width, vae_problem
from muse.diffusion.files.part_weights import shapes_in
from muse.diffusion.files.tensor_fit import part_problems, tensor_problems
from muse.diffusion.quiet import quiet_loading
from muse.guidance.fitted_tokens_file import TokensFile
from pipeline.models.roles import is_embedding, is_lora

OnWarning = Callable[[str], None]
"""Is given what is no problem, but will not be read."""


def model_problems_of(path: Path, on_warning: OnWarning, with_weights: bool) -> Iterator[str]:
    """Why a diffusion model cannot be loaded: one line a problem, with the remedy.

    Args:
        path: a folder or a single file that is safe to load.
        with_weights: compare the tensors in its files with those of its classes, too.
    """
    problems = list(model_problems(path))
    yield from problems
    # Of settings that do not fit, nothing can be made that weights could be compared with.
    if problems or not with_weights:
        return
    if path.is_file():
        from muse.diffusion.backbones.single_file_models import file_problems

        yield from file_problems(path)
    else:
        yield from tensor_problems(path, on_warning)


class PartFit:
    """Checks what replaces or changes parts of a diffusion model, one after the other.

    Args:
        model: its folder or file.
        on_warning: is given what is no problem, but will not be read.
    """

    def __init__(self, model: Path, on_warning: OnWarning):
        self._model, self._on_warning = model, on_warning
        self._embedding_target: EmbeddingTarget | None = None

    def problems(self, role: str, name: str, path: Path) -> Iterator[str]:
        """Why something is no LoRA, textual inversion or file of fitted tokens or does not fit, or
        is no VAE or tiny decoder of the model.

        Args:
            role: that the setting gives it.
            name: as the user gave it.
            path: of its folder or file.

        Raises:
            ValueError: its settings or weights cannot be read.
        """
        if is_lora(role):
            target = _target_of(self._model)
            found = list(lora_problems(path, target))
            yield from found
            for warning in () if found else lora_warnings(path, target):
                self._on_warning(warning)
        elif is_embedding(role):
            yield from self._embedding_problems(name, path)
        elif role == "fitted_tokens":
            width = token_width(family_of(self._model), part_config(self._model))
            # Such files are small. Where the settings name no width, the worker compares it.
            tokens = TokensFile.read(path)
            if width is not None and (problem := tokens.width_problem(width)):
                yield problem
        else:
            yield from _vae_problems(role, path, self._model, self._on_warning)

    def _embedding_problems(self, name: str, path: Path) -> Iterator[str]:
        target = self._embedding_target or EmbeddingTarget.of(self._model)
        if problem := target.family_problem():
            yield problem
            return
        embedding = Embedding.read(path, embedding_and_token(name)[1])
        if problem := target.problem(embedding):
            yield f"it {problem}"
            return
        # Such files are small, and what they spoil is not seen in a header.
        embedding.vectors()
        for warning in (unread_beside(path, embedding.file), target.warning(embedding)):
            if warning is not None:
                self._on_warning(f"the embedding {path}: {warning}")
        self._embedding_target = target.with_tokens(embedding)


def _target_of(model: Path) -> LoraTarget:
    """A diffusion model as LoRAs find it. The layers of a single file are known if it can be opened
    without the hub, by the settings beside it; its weights stay on disk.
    """
    if not model.is_file() or configs_beside(model) is None:
        return LoraTarget.of(model)
    from muse.diffusion.backbones.single_file_models import open_file_pipeline

    with quiet_loading("diffusers", "transformers"):
        return LoraTarget.of_pipeline(open_file_pipeline(model, None))


def _vae_problems(role: str, path: Path, model: Path, on_warning: OnWarning) -> Iterator[str]:
    """Why something is no VAE or tiny decoder of a model."""
    own = part_config(model)("vae")
    fit = vae_problem if role == "vae" else tiny_vae_problem
    if problem := fit(vae_config(path, own, role), own):
        yield problem
        return
    if path.is_file():
        from muse.diffusion.backbones.single_file_models import file_vae_problems

        yield from file_vae_problems(path, own)
        return
    import diffusers

    kind = diffusers.AutoencoderKL if role == "vae" else diffusers.AutoencoderTiny
    yield from part_problems("it", kind, path, shapes_in(path), on_warning)
