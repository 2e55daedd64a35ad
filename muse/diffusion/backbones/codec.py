"""Between pixels and latents: the VAE, and how parts of a model are put on a device."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from muse.diffusion.devices import vae_dtype
from muse.sizes import Size


def at_least_float32(values: Tensor) -> Tensor:
    """Half precision as float32; float64 as it is."""
    return values if values.dtype == torch.float64 else values.float()


def frozen(part: nn.Module, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """The module on that device in that dtype, in evaluation mode, without gradients of weights.

    One that was loaded quantised keeps the dtypes of its weights.
    """
    part = part.requires_grad_(False).eval()
    if is_quantized(part):
        return nn.Module.to(part, device=device)
    if getattr(part, "_keep_in_fp32_modules", None):
        return part.to(device=device, dtype=dtype)
    # diffusers' own `to` warns of a cast also where no layer has to stay in float32.
    return nn.Module.to(part, device=device, dtype=dtype)


def is_quantized(part: nn.Module) -> bool:
    """Whether diffusers or transformers loaded a module with quantised weights."""
    return getattr(part, "hf_quantizer", None) is not None


class Codec:
    """Between pixels in [0, 1] and latents, through a frozen VAE.

    Args:
        tiny_vae: an approximate decoder (`AutoencoderTiny`, the TAESD family) for the inner loop
            and for WHEN; None for the VAE there, too.
        scale: the latents of the model's pipeline over those that are denoised here (see
            `muse.diffusion.schedule.schedules.latent_scale`).

    Attributes:
        together: how many finished images are decoded at a time, by the shape of all latents of a
            call; without an entry, all of them.
    """

    def __init__(
        self,
        vae: nn.Module,
        tiny_vae: nn.Module | None,
        device: torch.device,
        dtype: torch.dtype,
        scale: float = 1.0,
    ):
        exact = vae_dtype(dtype, vae.config)
        self.vae = frozen(vae, device, exact).to(memory_format=torch.channels_last)
        self.tiny = (
            None
            if tiny_vae is None
            else frozen(tiny_vae, device, dtype).to(memory_format=torch.channels_last)
        )
        self.pixels_per_latent = 2 ** (len(vae.config.block_out_channels) - 1)
        self.shift: Tensor | float = getattr(vae.config, "shift_factor", None) or 0.0
        self.dtype, self.scale = exact, scale
        self.together: dict[torch.Size, int] = {}
        # Statistics of each channel, by which some VAEs' latents are normalised.
        mean, spread = (getattr(vae.config, f"latents_{name}", None) for name in ("mean", "std"))
        self.spread: Tensor | float = scale
        if mean is not None and spread is not None:
            self.shift = self.shift + torch.tensor(mean, device=device).view(1, -1, 1, 1)
            self.spread = scale * torch.tensor(spread, device=device).view(1, -1, 1, 1)

    def cells(self, size: Size) -> tuple[int, int]:
        """Height and width of the latents of an image of that size."""
        return size.height // self.pixels_per_latent, size.width // self.pixels_per_latent

    def decode(self, latents: Tensor) -> Tensor:
        """Pixels float32 (b, 3, h, w), about [0, 1], not clamped."""
        scaled = latents * self.spread / self.vae.config.scaling_factor + self.shift
        return at_least_float32(self.vae.decode(scaled.to(self.dtype)).sample) / 2 + 0.5

    def decode_finished(self, latents: Tensor) -> Tensor:
        """As `decode`, in pieces of half the size where a GPU's memory is too short for all.

        Otherwise the last pass would lose the batch. The size that fits is kept for later calls
        with as many latents of the same size: what else was decoded before does not matter.
        """
        while True:
            together = self.together.get(latents.shape, len(latents))
            try:
                return torch.cat([self.decode(piece) for piece in latents.split(together)])
            except torch.OutOfMemoryError:
                if together == 1:
                    raise
            # Not within the `except` clause: an error that is handled keeps its frames' memory.
            torch.cuda.empty_cache()
            self.together[latents.shape] = -(-together // 2)

    def decode_draft(self, latents: Tensor) -> Tensor:
        """As `decode`, by the tiny decoder if there is one."""
        if self.tiny is not None:
            scaled = (latents * self.scale).to(self.tiny.dtype)
            return at_least_float32(self.tiny.decode(scaled).sample) / 2 + 0.5
        return self.decode(latents)

    def encode(self, pixels: Tensor) -> Tensor:
        """Latents (the mean of the posterior), float32, of pixels (b, 3, h, w) in [0, 1]."""
        mean = at_least_float32(self.vae.encode((pixels * 2 - 1).to(self.dtype)).latent_dist.mean)
        return (mean - self.shift) * self.vae.config.scaling_factor / self.spread
