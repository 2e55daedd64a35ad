"""What is checked and told when models are loaded, and of how they are used."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from inspect import signature
from itertools import product
from pathlib import Path
from typing import Any, TypeVar, cast

import torch

from muse.classifiers.base import EmotionClassifier, ImageClassifier
from muse.classifiers.ensemble import EnsembleClassifier
from muse.diffusion.backbones import load_backbone
from muse.diffusion.editing import step_warning
from muse.diffusion.model_facts import ModelFacts
from muse.engine.setup import Setup
from muse.guidance.fitted_tokens_file import unread_warning
from muse.guidance.negative_prompts import NegativePrompts
from muse.guidance.prompt_room import PromptLengths
from muse.method import Method
from muse.mini.vocabulary import unknown_words, with_nearest
from muse.request import Request

T = TypeVar("T")


def check_arguments(function: Callable[..., Any], backbone: Mapping[str, Any]) -> None:
    """Refuse further arguments of `from_pretrained` that `load_backbone` does not take.

    Args:
        function: `from_pretrained`, for the arguments that it has itself.

    Raises:
        TypeError: with the first of them, and where it belongs.
    """
    further = [name for name in signature(load_backbone).parameters if name != "path"]
    known = dict.fromkeys([*signature(function).parameters, *further])
    del known["backbone"]
    for name in backbone:
        if name in further:
            continue
        if name in Method.model_fields:
            raise TypeError(
                f"from_pretrained() has no argument {name!r}; it is a parameter of the method: "
                f"give method=Method({name}=...)"
            )
        near = get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known)}"
        raise TypeError(f"from_pretrained() has no argument {name!r}; {hint}")


def usable_device(device: str | torch.device | None) -> torch.device:
    """The device of that name; without one, a CUDA GPU if there is one, else the CPU.

    Raises:
        ValueError: torch knows no such device, or it cannot be used here.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError):
        raise ValueError(
            f"device is {device!r}; give one as torch names them: 'cpu', 'cuda', 'cuda:1', 'mps'"
        ) from None
    try:
        torch.empty(0, device=found)
    # Torch raises several classes, for the same reasons.
    except (AssertionError, RuntimeError, NotImplementedError) as error:
        cause = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"device {str(found)!r} cannot be used here ({cause})") from None
    return found


def tell_of_method(facts: ModelFacts | None, method: Method) -> None:
    """Warn of what a call of a pipeline asks of its diffusion model without effect or sense.

    Args:
        facts: of the model; None if its files are not known.

    Raises:
        ValueError: the method denies what the model was trained for.
    """
    if facts is None:
        return
    facts.check(method)
    for warning in facts.warnings(method):
        # Of whoever has called the pipeline.
        warnings.warn(warning, UserWarning, stacklevel=3)


def tell_of_judge(guide: EmotionClassifier, judge: EmotionClassifier | None) -> None:
    """Warn of a judge that has the weights of the guide, wherever either was loaded from."""
    if judge is None or not _share_weights(guide, judge):
        return
    warnings.warn(
        "guide and judge have the same weights: a judge that was optimised against confirms "
        "anything, and its confidences prove nothing; give another classifier as judge",
        UserWarning,
        stacklevel=3,
    )


def _share_weights(one: EmotionClassifier, other: EmotionClassifier) -> bool:
    """Whether any single classifier, or member of an ensemble, is in both."""
    if one is other:
        return True
    pairs = product(_single(one), _single(other))
    return any(_have_same_tensors(mine, theirs) for mine, theirs in pairs)


def _single(classifier: EmotionClassifier) -> Iterator[torch.nn.Module]:
    """The models of the single classifiers in one, without their temperatures and labels."""
    if isinstance(classifier, EnsembleClassifier):
        for member in classifier.members:
            yield from _single(cast(EmotionClassifier, member))
    elif isinstance(classifier, ImageClassifier):
        yield classifier.model


def _have_same_tensors(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    if not mine or mine.keys() != theirs.keys():
        return False
    return all(torch.equal(mine[name], theirs[name].to(mine[name].device)) for name in mine)


def tell_of_requests(setup: Setup, requests: Sequence[Request]) -> None:
    """Warn of prompts that are cut or not read, of edits that take no step, and of content that is
    not looked at, in the words of `plan`.

    Args:
        setup: what makes them.
        requests: one of each prompt of a call.
    """
    backbone, method, taxonomy = setup.backbone, setup.method, setup.guide.taxonomy
    readers = backbone.text.readers
    is_given, from_zero = backbone.embeds_guidance, backbone.guidance_from_zero
    lengths = PromptLengths(readers, method, taxonomy, noun="prompt")
    negatives = NegativePrompts(readers, method, taxonomy, is_given, from_zero, noun="prompt")
    for number, request in enumerate(requests):
        weights = dict(zip(request.target.taxonomy.labels, request.target.weights, strict=True))
        emotion = {name: weights[name] for name in request.target.members}
        lengths.add(number, request.prompt, [emotion])
        negatives.add(number, request.negative_prompt, request.image is not None)
    edits = sum(request.image is not None for request in requests)
    of_edits = step_warning(setup.schedule, method, f"{edits} prompt(s)") if edits else None
    of_content = setup.clip.levels.warning(method, "that was loaded")
    fitted = backbone.text.fitted
    of_tokens = None if fitted is None else unread_warning(fitted.vectors, fitted.alone, method)
    unfitted = None
    names = {name for request in requests for name in request.target.members}
    if fitted is not None and method.timing != "never" and (lacking := names - {*fitted.vectors}):
        unfitted = f"fitted_tokens has none for {', '.join(sorted(lacking))}: the word is used"
    for warning in (
        lengths.warning,
        *negatives.warnings,
        of_edits,
        of_content,
        of_tokens,
        unfitted,
    ):
        if warning is not None:
            warnings.warn(warning, UserWarning, stacklevel=3)


def tell_of_words(prompts: Sequence[str]) -> None:
    """Warn of words that the embedded model does not know."""
    found = dict.fromkeys(word for prompt in prompts for word in unknown_words(prompt))
    if found:
        listed = ", ".join(map(with_nearest, found))
        warnings.warn(
            f"the embedded model does not know these words, which have no effect: {listed}",
            UserWarning,
            stacklevel=3,
        )


def loaded(role: str, name: str | Path, load: Callable[[str | Path], T]) -> T:
    """What `load` makes of the model of that name.

    Raises:
        ValueError: as `load` raises it, with the role and the name of the model.
    """
    try:
        return load(name)
    except ValueError as error:
        raise ValueError(f"{role} {str(name)!r}: {error}") from error
