"""Negative prompts that a model does not read, or reads in part, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from muse.emotions import Taxonomy
from muse.guidance.prompt_frame import PromptReader
from muse.guidance.prompt_room import PromptLengths
from muse.method import Method


def unread_reason(
    method: Method, embeds_guidance: bool, from_zero: bool, editing: bool
) -> str | None:
    """Why negative prompts change nothing, with the remedy; None if they are read.

    Without classifier-free guidance nothing leads away from them, as in diffusers.

    Args:
        embeds_guidance: whether the network is given the scale of guidance as a number.
        from_zero: whether the model's family counts that scale from 0.
    """
    if embeds_guidance:
        if method.true_cfg_scale > 1:
            return None
        scale = method.true_cfg_scale
        return (
            f"method.true_cfg_scale = {scale:g} is no classifier-free guidance; they are read "
            "above 1, at twice the cost"
        )
    if method.scale(editing, from_zero) > 1:
        return None
    name = "edit_guidance_scale" if editing else "guidance_scale"
    limit = 0 if from_zero else 1
    return f"method.{name} = {getattr(method, name):g} is no guidance; set more than {limit}"


class NegativePrompts:
    """Finds out which negative prompts are not read, and which are cut.

    Args:
        readers: the encoders that read them.
        embeds_guidance, from_zero: as for `unread_reason`.
        noun: what has a prompt, in the words of the warnings.
        shown_by: as for `PromptLengths`.
    """

    def __init__(
        self,
        readers: Iterable[PromptReader],
        method: Method,
        taxonomy: Taxonomy,
        embeds_guidance: bool,
        from_zero: bool,
        noun: str = "row",
        shown_by: str = "",
    ):
        self._noun = noun
        self._lengths = PromptLengths(readers, method, taxonomy, noun, True, shown_by)
        self._reasons = {
            editing: unread_reason(method, embeds_guidance, from_zero, editing)
            for editing in (False, True)
        }
        # By whether they are of edits.
        self._unread: Counter[bool] = Counter()
        self._wants_any = embeds_guidance and method.true_cfg_scale > 1
        self._rows = self._given = 0

    def add(self, number: int, negative_prompt: str | None, editing: bool) -> None:
        """Take note of what one row or prompt has."""
        self._rows += 1
        if negative_prompt is None:
            return
        self._given += 1
        if self._reasons[editing] is None:
            self._lengths.add(number, negative_prompt)
        elif negative_prompt:
            self._unread[editing] += 1

    @property
    def warnings(self) -> Iterator[str]:
        """A sentence for each kind."""
        if self._lengths.warning is not None:
            yield self._lengths.warning
        for editing, count in sorted(self._unread.items()):
            yield (
                f"the negative prompts of {count} {self._noun}(s) have no effect, because "
                f"{self._reasons[editing]}"
            )
        if self._wants_any and self._rows and not self._given:
            yield (
                f"method.true_cfg_scale: no effect, because no {self._noun} has a negative prompt"
            )
