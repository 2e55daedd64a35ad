"""What a report says first: a few sentences by which a reader decides whether to believe it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.config_models import draws_embedded
from pipeline.generation.verdicts import ACCEPTED, FAILED, REJECTED
from pipeline.output.run.run_file import RunFile
from pipeline.output.sample_files import MIXTURE
from pipeline.report.figures import Figures
from pipeline.terminal import percent

LOW_SHARE = 0.5
"""Share of accepted requests below which a target is named as weak."""

DISAGREEMENT = 0.2
"""Share of images on which guide and judge name different emotions that is worth a warning."""

SOURCE_SIMILARITY = ("source_similarity", ACCEPTED)

MAX_CAUSES = 3
"""Causes of rejections that are named."""

UNLIKE = 0.6
"""Median similarity to the source below which edits may show something else."""


@dataclass(frozen=True)
class Finding:
    """A sentence, and whether it is a warning."""

    text: str
    warning: bool = False


def findings(
    run: RunFile, figures: Figures, duplicates: int, hashed: int, is_trial: bool = False
) -> list[Finding]:
    """The sentences in their order.

    Args:
        duplicates: accepted samples with a near-duplicate among the `hashed` that were compared.
    """
    if is_trial:
        few = "These are too few images for statistics: look at the pictures and the measurements."
        return [Finding(few), *_trust(run), _acceptance(figures), *_rejections(figures)]
    found = [*_trust(run), _acceptance(figures), *_rejections(figures), *_weak_targets(figures)]
    found += [*_confusion(figures), *_disagreement(figures), *_edits(run, figures)]
    if duplicates:
        share = duplicates / hashed
        found.append(
            Finding(
                f"{duplicates:,} of {hashed:,} accepted samples that were compared look almost "
                "like another one.",
                share > 0.05,
            )
        )
    if figures.partly_known:
        found.append(
            Finding(
                f"In {_requests(figures.partly_known)} of {figures.count():,} the prompt has words "
                "that the embedded model does not know. They had no effect: their images may show "
                "something else.",
                True,
            )
        )
    if cut := figures.endings.as_dict()["cut_prompts"]["requests"]:
        found.append(
            Finding(
                f"Of {_requests(cut)} the prompt was longer than the text encoder reads: its end "
                "had no effect.",
                True,
            )
        )
    if failed := figures.count(FAILED):
        found.append(Finding(f"{_requests(failed)} failed; the reasons are below.", True))
    return found


def _trust(run: RunFile) -> list[Finding]:
    if run.config["engine"] == "null":
        return [
            Finding(
                "This was a dry run: the null engine made the images and all scores from seeds. "
                "They show nothing.",
                True,
            )
        ]
    if run.same_judge:
        return [
            Finding(
                "The judge is the guide that the images were optimised for: its confidence proves "
                "nothing.",
                True,
            )
        ]
    return [
        Finding(
            "The judge took no part in making the images. It is a classifier nevertheless: no "
            "person has confirmed a label."
        )
    ]


def _acceptance(figures: Figures) -> Finding:
    accepted, done = figures.count(ACCEPTED), figures.count()
    if not accepted:
        return Finding(f"None of {done:,} finished requests was accepted.", True)
    mean = figures.confidence_sum / accepted
    return Finding(
        f"{accepted:,} of {done:,} finished requests were accepted ({percent(accepted / done)}); "
        f"the judge confirms their targets at {mean:.2f} on average."
    )


def _rejections(figures: Figures) -> list[Finding]:
    """Why requests were rejected, the most frequent causes first."""
    rejected = figures.count(REJECTED)
    if not rejected:
        return []
    causes = figures.endings.causes().most_common(MAX_CAUSES)
    named = [f"{count:,}: {cause}" for cause, count in causes]
    if others := rejected - sum(count for _, count in causes):
        named.append(f"{others:,}: other reasons")
    return [Finding(f"Of {_requests(rejected)} rejected, {'; '.join(named)}.")]


def _weak_targets(figures: Figures) -> list[Finding]:
    weak = []
    for target in dict.fromkeys(target for target, _ in figures.outcomes):
        asked = sum(n for (name, _), n in figures.outcomes.items() if name == target)
        share = figures.outcomes[target, ACCEPTED] / asked
        if share < LOW_SHARE:
            accepted = figures.outcomes[target, ACCEPTED]
            weak.append((share, f"{_named(target)} ({accepted:,} of {asked:,})"))
    if not weak:
        return []
    listed = ", ".join(text for _, text in sorted(weak)[:5])
    return [Finding(f"Less than half of the requests were accepted for {listed}.", True)]


def _confusion(figures: Figures) -> list[Finding]:
    """The most frequent mistake, if it was made more than once."""
    wrong = {pair: count for pair, count in figures.judged.items() if pair[0] != pair[1]}
    if not wrong or max(wrong.values()) < 2:
        return []
    (target, judged), count = max(wrong.items(), key=lambda item: (item[1], item[0]))
    others = [*wrong.values()].count(count) - 1
    also = f"; {others} other confusion(s) are as frequent" if others else ""
    asked = sum(n for (name, _), n in figures.judged.items() if name == target)
    return [
        Finding(
            f"The most frequent confusion: of {asked:,} scored images for {target}, the judge "
            f"found {judged} strongest in {count:,}{also}."
        )
    ]


def _disagreement(figures: Figures) -> list[Finding]:
    total = figures.opinions.total()
    if not total:
        return []
    apart = sum(n for (guide, judge), n in figures.opinions.items() if guide != judge)
    return [
        Finding(
            f"Guide and judge name different emotions for {apart:,} of {total:,} images "
            f"({percent(apart / total)}).",
            apart / total > DISAGREEMENT,
        )
    ]


def _edits(run: RunFile, figures: Figures) -> list[Finding]:
    count = figures.scored("source_similarity")
    if not count:
        return []
    median, lowest = figures.median("source_similarity"), figures.lowest[SOURCE_SIMILARITY]
    if count == 1:
        text = f"The accepted edit resembles its source image at {lowest:.2f} (cosine by CLIP)"
    else:
        text = (
            f"Half of the {count:,} accepted edits resemble their source image at {median:.2f} or "
            f"more, the least alike at {lowest:.2f} (cosine by CLIP)"
        )
    found = [Finding(f"{text}; min_source_similarity sets a lower bound.", median < UNLIKE)]
    if draws_embedded(run.config["model"], run.config["engine"]):
        text = "The embedded model redraws photographs as scenes of its own world of drawings."
        found.append(Finding(text, median < UNLIKE))
    return found


def _requests(count: int) -> str:
    return "1 request" if count == 1 else f"{count:,} requests"


def _named(target: str) -> str:
    return "mixtures" if target == MIXTURE else target


def ordered_targets(labels: Sequence[str], figures: Figures) -> list[str]:
    """The targets that were requested, in the order of the taxonomy, mixtures last."""
    requested = Counter(target for target, _ in figures.outcomes)
    return [name for name in (*labels, MIXTURE) if name in requested]
