"""How many bytes a computation holds, counted on the meta device: nothing is computed.

A model is copied without its data, and every tensor that an operation makes is followed until it is
freed. The count is exact for what torch allocates by shape. It leaves out what kernels need
meanwhile, the caches of cuDNN and the fragments between blocks: allow a tenth more.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from muse.classifiers import EmotionClassifier
from muse.diffusion.backbones.base import Backbone, latent_shape_of, move
from muse.emotions import MIKELS, Target
from muse.sizes import Size

META = torch.device("meta")
PROMPT, TOKENS = "a dog on a beach", 8
"""What is read: neither changes the size of a padded prompt."""

Model = TypeVar("Model")


class LiveBytes(TorchDispatchMode):
    """While open, follows the storage of every tensor that an operation returns.

    Attributes:
        now, peak: bytes that are held, and the most so far. Tensors that existed before do not
            count, nor do views of them.
    """

    def __init__(self, existing: Iterator[Tensor] | tuple[Tensor, ...] = ()):
        super().__init__()
        self.now = self.peak = 0
        self._known = {tensor.untyped_storage()._cdata for tensor in existing}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        output = func(*args, **(kwargs or {}))
        for value in tree_leaves(output):
            if isinstance(value, Tensor):
                self._follow(value.untyped_storage())
        return output

    def _follow(self, storage: torch.UntypedStorage) -> None:
        address, size = storage._cdata, storage.nbytes()
        if address in self._known:
            return
        self._known.add(address)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._free, address, size)

    def _free(self, address: int, size: int) -> None:
        self._known.discard(address)
        self.now -= size


@contextmanager
def _flash_attention() -> Iterator[None]:
    """Attention as a GPU computes it. On the meta device torch would build the whole matrix.

    The function is replaced, because a mode of torch is off while a backward pass computes parts of
    the forward pass again.
    """
    plain = F.scaled_dot_product_attention

    def flash(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> Tensor:
        output: Tensor = torch.ops.aten._scaled_dot_product_flash_attention(query, key, value)[0]
        return output

    F.scaled_dot_product_attention = flash
    try:
        yield
    finally:
        F.scaled_dot_product_attention = plain


def modules_of(part: Any) -> Iterator[nn.Module]:
    """The modules among the attributes of a part of a model, at any depth."""
    if isinstance(part, nn.Module):
        yield part
        return
    for value in vars(part).values():
        for member in value if isinstance(value, list | tuple) else (value,):
            if isinstance(member, nn.Module):
                yield member
            elif type(member).__module__.startswith("muse."):
                yield from modules_of(member)


def tensors_of(part: Any) -> Iterator[Tensor]:
    """Weights and buffers of a part of a model."""
    for module in modules_of(part):
        yield from module.parameters()
        yield from module.buffers()


def bytes_of(part: Any) -> int:
    """Bytes of the weights and buffers of a part of a model; shared ones count once."""
    sizes = {id(tensor): tensor.nbytes for tensor in tensors_of(part)}
    return sum(sizes.values())


def on_meta(part: Model) -> Model:
    """A copy of a diffusion model, of a part of one or of a classifier, without its data."""
    empty: dict[int, Any] = {}
    for tensor in tensors_of(part):
        copied = torch.empty_like(tensor, device=META)
        is_weight = isinstance(tensor, nn.Parameter)
        empty[id(tensor)] = nn.Parameter(copied, requires_grad=False) if is_weight else copied
    model = copy.deepcopy(part, empty)
    if isinstance(model, nn.Module):
        model.to(META)
    else:
        move(model, META)  # type: ignore[arg-type]
    return model


def reading_bytes(
    backbone: Backbone,
    guide: EmotionClassifier | None,
    rows: int = 1,
    size: Size | None = None,
) -> int:
    """Peak bytes of an evaluation of the guide with the gradient in the tokens, without weights.

    Args:
        backbone, guide: on the meta device (see `on_meta`). Without a guide, the pixels are what is
            differentiated.
        size: of the images; None for the model's own.
    """
    text, targets = backbone.text, [Target.of(MIKELS.labels[0])] * rows
    prompts = text.open([PROMPT] * rows, targets, TOKENS, "")
    latents = torch.zeros(rows, *latent_shape_of(backbone, size), device=META)
    timesteps = torch.zeros(rows, device=META)
    scales = torch.ones(rows, device=META) if backbone.embeds_guidance else None
    tokens = text.start(targets, TOKENS).requires_grad_(True)
    existing = (*tensors_of(backbone), *(tensors_of(guide) if guide else ()))
    with LiveBytes(existing) as live, _flash_attention(), torch.enable_grad():
        conditioning = backbone.embed(prompts, tokens).guided(scales)
        x0 = backbone.predict(latents, timesteps, conditioning)
        pixels = backbone.codec.decode_draft(x0)
        seen = pixels if guide is None else guide.probs(pixels).log_p
        torch.autograd.grad(seen.square().sum(), tokens)
    return live.peak


@torch.no_grad()
def decoding_bytes(backbone: Backbone, rows: int = 1) -> int:
    """Peak bytes of decoding finished latents by the VAE, on the meta device."""
    latents = torch.zeros(rows, *backbone.latent_shape, device=META)
    with LiveBytes(tuple(tensors_of(backbone))) as live, _flash_attention():
        backbone.codec.decode(latents)
    return live.peak
