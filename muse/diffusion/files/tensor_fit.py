"""Whether the tensors in the files of a model's parts are those of their classes, by names and
shapes; no weights are read."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from muse.diffusion.files.model_files import TINY_VAE, ModelFolder
from muse.diffusion.files.part_weights import Shapes, part_shapes

MAX_SHOWN = 3
"""Names of tensors that a message lists."""

UNREAD = {"AutoencoderTiny": ("encoder.",)}
"""By class: how the names of tensors begin that nothing here reads: of a tiny decoder's encoder."""

SHARED_BUFFERS = ("position_ids",)
"""Ends of the names of buffers that old files hold, and that classes make themselves."""


@dataclass(frozen=True)
class TensorFit:
    """How the tensors in the files of a part differ from those of its class.

    Attributes:
        missing: names that the files lack.
        misfits: by name: the shape in the files, and that of the class.
        surplus: names in the files that the class does not have, in modules that it has.
        count: of the tensors of the class.
    """

    missing: Collection[str]
    misfits: Mapping[str, tuple[Sequence[int], Sequence[int]]]
    surplus: Collection[str]
    count: int

    def problems(self, name: str, kind: Any) -> Iterator[str]:
        """Why the part cannot be loaded, with the remedy.

        Args:
            name: what the messages call the part.
            kind: its class.
        """
        if self.missing:
            yield lacks(name, kind, self.missing, self.count)
        if self.misfits:
            shown = [
                f"{tensor} is {_shape(found)} instead of {_shape(expected)}"
                for tensor, (found, expected) in sorted(self.misfits.items())[:MAX_SHOWN]
            ]
            more = ", ..." if len(self.misfits) > MAX_SHOWN else ""
            yield (
                f"{name} has {len(self.misfits)} of the {self.count} tensors of its class "
                f"{kind.__name__} in other shapes ({', '.join(shown)}{more}): its weights and its "
                "config.json are of different models; copy both again from one model"
            )


def tensor_problems(
    model: Path, on_warning: Callable[[str], None] = lambda warning: None
) -> Iterator[str]:
    """Parts of a diffusion model whose files lack tensors of their classes, or have them in other
    shapes: one line each, with the remedy.

    Each part is made by its library from its settings, without memory for its weights, and its
    tensors are compared with those that the headers of its files name. This imports diffusers and
    transformers, which takes seconds. Quantised parts and files that cannot be read are left out.

    Args:
        model: a folder in which `model_problems` finds nothing wrong.
        on_warning: is given a line for each part of which tensors are not read.
    """
    folder = ModelFolder.read(model)
    tiny = [TINY_VAE] if TINY_VAE in folder.parts else []
    for part in (*folder.opened_parts(), *tiny):
        shapes = part_shapes(folder, part)
        # Quantised weights have other names.
        if shapes and folder.config(part).get("quantization_config") is None:
            library, kind = folder.parts[part]
            kind_of_part = getattr(import_module(library), kind)
            yield from part_problems(f"{part}/", kind_of_part, model / part, shapes, on_warning)


def part_problems(
    name: str,
    kind: Any,
    part: Path,
    shapes: Shapes,
    on_warning: Callable[[str], None] = lambda warning: None,
) -> Iterator[str]:
    """As `tensor_problems`, of one part.

    Args:
        name: what the messages call it.
        kind: its class, of diffusers or transformers.
        part: the folder of its settings.
        shapes: of the tensors in its files.
    """
    compare = fit_of_transformers if _is_of_transformers(kind) else _fit_of_diffusers
    try:
        fit = compare(kind, part, shapes)
    except Exception as error:  # both libraries raise many classes here
        yield (
            f"no {kind.__name__} can be made of {part.name}/config.json ({error}); copy "
            f"{part.name}/ again from the model"
        )
        return
    yield from fit.problems(name, kind)
    if fit.surplus:
        on_warning(unread(name, kind, fit.surplus))


def lacks(name: str, kind: Any, missing: Collection[str], count: int) -> str:
    """What is wrong with a part that lacks tensors, with the remedy.

    Args:
        name: what the message calls the part.
        kind: its class.
        count: of the tensors that its class has.
    """
    return (
        f"{name} lacks {len(missing)} of the {count} tensors of its class {kind.__name__} "
        f"({_listed(missing)}); download it again, or give a model whose weights are of this class"
    )


def unread(name: str, kind: Any, surplus: Collection[str]) -> str:
    """That tensors in the files of a part are not read, in words.

    Args:
        name: what the message calls the part.
        kind: its class.
    """
    return (
        f"{name} has {len(surplus)} tensors that are not read ({_listed(surplus)}): by its "
        f"config.json, its class {kind.__name__} has none of these names; if that is not intended, "
        "copy config.json and weights again, both from one model"
    )


def needed(kind: Any, names: Collection[str]) -> set[str]:
    """Those of the tensors of a class that something here reads."""
    left_out = UNREAD.get(kind.__name__, ())
    return {name for name in names if not name.startswith(left_out)}


def _listed(names: Collection[str]) -> str:
    more = ", ..." if len(names) > MAX_SHOWN else ""
    return ", ".join(sorted(names)[:MAX_SHOWN]) + more


def _shape(sizes: Sequence[int]) -> str:
    return " x ".join(map(str, sizes)) or "one number"


def _is_of_transformers(kind: Any) -> bool:
    return str(kind.__module__).startswith("transformers.")


def _fit_of_diffusers(kind: Any, part: Path, shapes: Shapes) -> TensorFit:
    from accelerate import init_empty_weights

    from muse.diffusion.quiet import quiet_loading

    with quiet_loading("diffusers"), init_empty_weights():
        made = kind.from_config(kind.load_config(part))
    names: dict[str, Any] = dict(shapes)
    # Attention had other names in old files, which diffusers still reads.
    made._fix_state_dict_keys_on_load(names)
    expected = {name: [*tensor.shape] for name, tensor in made.state_dict().items()}
    misfits = {
        name: (names[name], shape)
        for name, shape in expected.items()
        if name in names and [*names[name]] != shape
    }
    ignored = kind._keys_to_ignore_on_load_unexpected or ()
    surplus = within({*names} - {*expected}, expected, ignored)
    return TensorFit(needed(kind, {*expected} - {*names}), misfits, surplus, len(expected))


def fit_of_transformers(kind: Any, part: Path, shapes: Shapes) -> TensorFit:
    """How tensors differ from those of a class of transformers, which itself knows older names,
    tied tensors and those that a class may lack: it is given tensors without content.

    Args:
        part: the folder of its settings.
        shapes: of the tensors in its files.
    """
    import torch
    from transformers.utils import logging

    from muse.diffusion.quiet import quiet_loading

    tensors = {name: torch.empty(tuple(shape), device="meta") for name, shape in shapes.items()}
    verbosity = logging.get_verbosity()
    with quiet_loading("transformers"):
        # It would list what is missing as a warning, too.
        logging.set_verbosity_error()
        try:
            made, info = kind.from_pretrained(
                None,
                config=kind.config_class.from_pretrained(part),
                state_dict=tensors,
                device_map="meta",
                dtype=torch.float32,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
        finally:
            logging.set_verbosity(verbosity)
    misfits = {name: (found, expected) for name, found, expected in info["mismatched_keys"]}
    expected = {*made.state_dict()}
    surplus = within(info["unexpected_keys"], expected)
    return TensorFit({*info["missing_keys"]} - {*misfits}, misfits, surplus, len(expected))


def within(
    names: Collection[str], expected: Collection[str], ignored: Sequence[str] = ()
) -> set[str]:
    """Those of the names of unknown tensors that lie in a module of a class.

    What lies in others is of another class, as the decoder beside a text encoder, or the picture
    model of a CLIP.

    Args:
        expected: names of the tensors of the class.
        ignored: patterns of names that a class leaves out knowingly.
    """
    modules = {name.partition(".")[0] for name in expected}
    return {
        name
        for name in names
        if name.partition(".")[0] in modules
        and not name.endswith(SHARED_BUFFERS)
        and not any(re.search(pattern, name) for pattern in ignored)
    }
