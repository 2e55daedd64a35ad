"""The cases of an evaluation: contents of the embedded world with a target emotion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from random import Random

import torch
from torch import Tensor

from manifests import schema
from manifests.check import MAX_PROBLEMS, ManifestError, Problem, shown
from manifests.read import check, rows_of
from muse.emotions import MIKELS, Target
from muse.images import to_tensor
from muse.mini.world.captions import content_prompt, factor_prompt
from muse.mini.world.contents import PLACES, SUBJECTS, leaning
from muse.mini.world.render import SIZE, render
from muse.mini.world.scene import Scene, sample_scene
from pipeline.config import Config
from pipeline.errors import ImageError
from pipeline.generation.source_images import open_source
from pipeline.planning.manifest_input import folder_of
from pipeline.planning.plan import PlannedRequest, plan_requests

SIGN = dict(zip(MIKELS.labels, MIKELS.polarity, strict=True))

Contents = frozenset[tuple[str, str]]
"""Places with subjects."""
CONTENTS: Contents = frozenset(product(PLACES, SUBJECTS))
TUNING_CONTENTS: Contents = frozenset(
    (place, subject)
    for (p, place), (s, subject) in product(enumerate(PLACES), enumerate(SUBJECTS))
    if (p + s) % 4 == 0
)
"""A quarter of all contents, on which settings are chosen: each place and subject is among them."""
REPORTED_CONTENTS: Contents = CONTENTS - TUNING_CONTENTS
"""The others, so that no figure is of a prompt by which a setting was chosen."""


@dataclass(frozen=True)
class Case:
    """One image to make, in the terms of every arm.

    Attributes:
        place, subject: the content.
        emotion: the target.
        seed: of the starting noise.
        oracle: a prompt with the content and visual factors of the target.
        source: float (3, h, w) in [0, 1] to edit, or None to generate.
        second: the other emotion of a mixture in equal parts; else empty.
    """

    place: str
    subject: str
    emotion: str
    seed: int
    oracle: str
    source: Tensor | None = None
    second: str = ""

    @property
    def target(self) -> Target:
        return Target.of({self.emotion: 0.5, self.second: 0.5} if self.second else self.emotion)

    @property
    def prompt(self) -> str:
        return content_prompt(self.place, self.subject)

    @property
    def task(self) -> str:
        """`generation`, `editing` or `mixtures`."""
        if self.second:
            return "mixtures"
        return "generation" if self.source is None else "editing"

    @property
    def polarity(self) -> str:
        """`positive` or `negative`, that of the target."""
        return "positive" if SIGN[self.emotion] > 0 else "negative"

    @property
    def hard(self) -> bool:
        """Whether the content by itself evokes the other polarity."""
        return SIGN[leaning(self.place, self.subject)] != SIGN[self.emotion]

    @property
    def inherent(self) -> str:
        """The content's own emotion against the target: `same`, same `polarity` or `opposite`."""
        if leaning(self.place, self.subject) == self.emotion:
            return "same"
        return "opposite" if self.hard else "polarity"


def draw_cases(count: int, seed: int, editing: bool, contents: Contents = CONTENTS) -> list[Case]:
    """`count` cases: emotions in turn, contents and seeds drawn; for editing with source scenes.

    Args:
        contents: from which they are drawn.
    """
    rng, cases = Random(seed), []
    for i in range(count):
        place, subject = _draw_content(rng, contents)
        emotion = MIKELS.labels[i % len(MIKELS)]
        oracle = factor_prompt(sample_scene(rng, place, subject, [emotion]))
        source = None
        if editing:
            scene = sample_scene(rng, place, subject, [leaning(place, subject)])
            source = to_tensor(render(scene))
        cases.append(Case(place, subject, emotion, rng.getrandbits(48), oracle, source))
    return cases


def _draw_content(rng: Random, contents: Contents) -> tuple[str, str]:
    while True:
        content = rng.choice(list(PLACES)), rng.choice(list(SUBJECTS))
        if content in contents:
            return content


def sources_of(cases: Sequence[Case]) -> Tensor:
    """The images to edit, (b, 3, h, w) in [0, 1]."""
    return torch.stack([case.source for case in cases if case.source is not None])


def scenes_of(cases: Sequence[Case]) -> Tensor:
    """Rendered scenes of the cases' targets, with contents of their own: (b, 3, h, w) in [0, 1]."""
    rng, scenes = Random(cases[0].seed), list[Scene]()
    for case, other in zip(cases, draw_cases(len(cases), cases[0].seed, False), strict=True):
        scenes.append(sample_scene(rng, other.place, other.subject, case.target.members))
    return torch.stack([to_tensor(render(scene)) for scene in scenes])


def draw_mixtures(count: int, seed: int, contents: Contents = CONTENTS) -> list[Case]:
    """`count` cases with two emotions each; every pair comes once before any comes twice."""
    rng = Random(seed)
    pairs: list[tuple[str, str]] = []
    while len(pairs) < count:
        every = list(combinations(MIKELS.labels, 2))
        pairs += rng.sample(every, len(every))
    cases = draw_cases(count, seed, False, contents)
    return [
        replace(case, emotion=one, second=other)
        for case, (one, other) in zip(cases, pairs[:count], strict=True)
    ]


def mixed_scenes(cases: Sequence[Case], seed: int) -> Tensor:
    """A scene of each two-emotion case, with factors of both: (b, 3, h, w) in [0, 1]."""
    rng, images = Random(seed), list[Tensor]()
    for case in cases:
        scene = sample_scene(rng, case.place, case.subject, case.target.members)
        images.append(to_tensor(render(scene)))
    return torch.stack(images)


def manifest_cases(path: str) -> dict[str, list[Case]]:
    """The requests of a manifest of the embedded world by task, with the seeds of a run.

    Raises:
        ManifestError: it cannot be read; or the prompt of a row is not that of a content, its
            target is a mixture, or its image cannot be read.
    """
    config, problems = Config(), list[Problem]()
    contents = {
        content_prompt(place, subject): (place, subject) for place in PLACES for subject in SUBJECTS
    }
    cases: dict[str, list[Case]] = {"generation": [], "editing": []}
    manifest = check(path, MIKELS.labels, len(config.emotions))
    for planned in plan_requests(rows_of(manifest, MIKELS.labels), config):
        problem = _unfit(planned, contents)
        source = None
        if problem is None and planned.image is not None:
            try:
                source = to_tensor(open_source(planned.image, folder_of(path), SIZE).image)
            except ImageError as error:
                problem = Problem(planned.row, schema.IMAGE, str(error))
        if problem is not None:
            problems.append(problem)
            continue
        place, subject = contents[planned.prompt]
        (emotion,) = planned.emotion
        oracle = factor_prompt(sample_scene(Random(planned.seed), place, subject, [emotion]))
        task = "generation" if source is None else "editing"
        cases[task].append(Case(place, subject, emotion, planned.seed, oracle, source))
    if problems:
        raise ManifestError(path, problems[:MAX_PROBLEMS], max(0, len(problems) - MAX_PROBLEMS))
    return cases


def _unfit(planned: PlannedRequest, contents: Mapping[str, tuple[str, str]]) -> Problem | None:
    """Why a request of a manifest is no case, if it is none."""
    if planned.prompt not in contents:
        known = f"only the {len(contents)} contents are recognised, as {next(iter(contents))!r}"
        return Problem(planned.row, schema.PROMPT, f"{shown(planned.prompt)} is none; {known}")
    if len(planned.emotion) > 1:
        return Problem(planned.row, schema.EMOTION, "is a mixture; give one emotion a row")
    return None
