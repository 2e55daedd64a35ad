"""Checkpoints in the layout of Stable Diffusion's first releases: one file, other names.

The inverse of what `from_single_file` of diffusers reads.
"""

import re

import torch

UNET = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
}
RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
VAE = {
    "conv_norm_out": "norm_out",
    "conv_shortcut": "nin_shortcut",
    "mid_block.resnets.0": "mid.block_1",
    "mid_block.resnets.1": "mid.block_2",
    "mid_block.attentions.0": "mid.attn_1",
    "group_norm": "norm",
    "to_q": "q",
    "to_k": "k",
    "to_v": "v",
    "to_out.0": "proj_out",
}
OPEN_CLIP = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}


def _renamed(name, table):
    for ours, theirs in table.items():
        name = re.sub(rf"(^|\.){re.escape(ours)}\.", rf"\g<1>{theirs}.", name)
    return name


def unet(model):
    """Tensors of a U-Net under their original names."""
    layers = model.config.layers_per_block
    original = {}
    for name, tensor in model.state_dict().items():
        if found := re.match(
            r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.*)",
            name,
        ):
            way, block, kind, place, rest = found.groups()
            # Down, a block has its layers and then a downsampler. Up, it has one layer more, and
            # the upsampler within the last.
            number = int(block) * (layers + 1) + int(place) + (way == "down")
            if kind == "downsamplers":
                last = (int(block) + 1) * (layers + 1)
                name = f"input_blocks.{last}.0.{rest.replace('conv.', 'op.')}"
            elif kind == "upsamplers":
                attends = bool(getattr(model.up_blocks[int(block)], "attentions", None))
                name = f"output_blocks.{int(block) * (layers + 1) + layers}.{1 + attends}.{rest}"
            else:
                part = f"0.{_renamed(rest, RESNET)}" if kind == "resnets" else f"1.{rest}"
                name = f"{'input' if way == 'down' else 'output'}_blocks.{number}.{part}"
        elif name.startswith("mid_block.resnets"):
            name = _renamed(_renamed(name, UNET), RESNET)
        else:
            name = _renamed(name, UNET)
        original[f"model.diffusion_model.{name}"] = tensor
    return original


def vae(model):
    """Tensors of a VAE under their original names, without a prefix."""
    blocks = len(model.config.block_out_channels)
    original = {}
    for name, tensor in model.state_dict().items():
        if ".attentions." in name and name.endswith("weight") and "group_norm" not in name:
            tensor = tensor[:, :, None, None]  # once convolutions
        name = re.sub(r"down_blocks\.(\d+)\.resnets\.", r"down.\1.block.", name)
        name = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0\.", r"down.\1.downsample.", name)
        name = re.sub(
            r"up_blocks\.(\d+)\.resnets\.", lambda m: f"up.{blocks - 1 - int(m[1])}.block.", name
        )
        name = re.sub(
            r"up_blocks\.(\d+)\.upsamplers\.0\.",
            lambda m: f"up.{blocks - 1 - int(m[1])}.upsample.",
            name,
        )
        original[_renamed(name, VAE)] = tensor.contiguous()
    return original


def clip(model, prefix):
    """Tensors of a CLIP text encoder under the names that transformers long had."""
    names = {
        name: name if name.startswith("text_model.") else f"text_model.{name}"
        for name in model.state_dict()
    }
    return {f"{prefix}{names[name]}": tensor for name, tensor in model.state_dict().items()}


def open_clip(model, prefix):
    """Tensors of a CLIP text encoder under OpenCLIP's names, where q, k and v are one tensor."""
    state = {
        name.removeprefix("text_model."): tensor for name, tensor in model.state_dict().items()
    }
    original = {
        "token_embedding.weight": state["embeddings.token_embedding.weight"],
        "positional_embedding": state["embeddings.position_embedding.weight"],
        "ln_final.weight": state["final_layer_norm.weight"],
        "ln_final.bias": state["final_layer_norm.bias"],
    }
    if "text_projection.weight" in state:
        original["text_projection"] = state["text_projection.weight"].T.contiguous()
    for name, tensor in state.items():
        if not (found := re.match(r"encoder\.layers\.(\d+)\.(.*)\.(weight|bias)", name)):
            continue
        block, part, kind = found.groups()
        if part == "self_attn.q_proj":
            three = [state[name.replace("q_proj", f"{which}_proj")] for which in "qkv"]
            original[f"transformer.resblocks.{block}.attn.in_proj_{kind}"] = torch.cat(three)
        elif not part.startswith("self_attn") or part.endswith("out_proj"):
            original[f"transformer.resblocks.{block}.{_renamed(part + '.', OPEN_CLIP)}{kind}"] = (
                tensor
            )
    return {prefix + name: tensor for name, tensor in original.items()}


def _body(pipe):
    return unet(pipe.unet) | {
        f"first_stage_model.{name}": tensor for name, tensor in vae(pipe.vae).items()
    }


def sd1(pipe):
    """The tensors of a Stable Diffusion 1 checkpoint."""
    return _body(pipe) | clip(pipe.text_encoder, "cond_stage_model.transformer.")


def sd2(pipe):
    """The tensors of a Stable Diffusion 2 checkpoint."""
    return _body(pipe) | open_clip(pipe.text_encoder, "cond_stage_model.model.")


def sdxl(pipe):
    """The tensors of a Stable Diffusion XL checkpoint."""
    first = clip(pipe.text_encoder, "conditioner.embedders.0.transformer.")
    return _body(pipe) | first | open_clip(pipe.text_encoder_2, "conditioner.embedders.1.model.")
