"""Multi-label classifiers."""

import pytest
import torch

from jobs.studies import multi_label_classifiers
from jobs.studies.multi_label_classifiers import draw, figures, main
from muse.classifiers import load_classifier
from muse.emotions.probabilities import Probabilities
from muse.mini import WEIGHTS


def test_half_of_the_scenes_have_one_emotion_and_half_two_and_the_draw_repeats():
    pixels, emotions = draw(20, 3)
    assert pixels.shape == (20, 3, 64, 64)
    assert emotions.sum(1).tolist() == [1, 2] * 10
    again, labels = draw(20, 3)
    assert torch.equal(pixels, again)
    assert torch.equal(emotions, labels)


def test_figures_are_counted_as_documented(tmp_path, monkeypatch):
    """Four scenes and a classifier of known answers."""
    p = torch.full((4, 8), 0.1)
    emotions = torch.zeros(4, 8)
    for row, present, found in (
        (0, [2], [2]),
        (1, [1, 3], [1, 3]),
        (2, [0], [4]),
        (3, [5, 6], [5]),
    ):
        emotions[row, present] = 1
        p[row, found] = 0.9
    p[3, 0] = 0.2

    class Known:
        def probs(self, pixels):
            return Probabilities.from_sigmoid(p.logit())

    monkeypatch.setattr(
        multi_label_classifiers.FolderClassifier, "from_pretrained", lambda folder: Known()
    )
    found = figures(tmp_path, torch.zeros(4, 3, 64, 64, dtype=torch.uint8), emotions)
    assert found["one"] == 0.5
    assert found["two"] == 0.5
    assert found["recall"] == pytest.approx(4 / 6)
    assert found["false positives"] == pytest.approx(1 / 26)


@pytest.mark.research
def test_they_are_fine_tuned_and_load_as_multi_label(tmp_path, monkeypatch):
    monkeypatch.setattr(multi_label_classifiers, "ROLES", {"guide": (1, 2), "judge": (2, 2)})
    for name, value in {"SCENES": 48, "HELD_OUT": 8}.items():
        monkeypatch.setattr(multi_label_classifiers, name, value)
    main(work=tmp_path / "work", out=tmp_path / "out", threads=torch.get_num_threads())
    for role in multi_label_classifiers.ROLES:
        before, after = load_classifier(WEIGHTS / role), load_classifier(tmp_path / "out" / role)
        assert after.multi_label
        assert not before.multi_label
        moved = [
            float((one - other).abs().max())
            for one, other in zip(before.parameters(), after.parameters(), strict=True)
        ]
        assert max(moved) > 0
    assert not load_classifier(tmp_path / "out" / "examiner").multi_label
