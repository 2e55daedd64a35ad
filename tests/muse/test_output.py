"""What a call gives back: pictures, traces, and the scores of a judge."""

import pytest
import torch

from muse import MIKELS, Target
from muse.emotions.probabilities import Probabilities
from muse.output import output_of
from muse.request import Request, Sample, Trace

CPU = torch.device("cpu")


class Judge:
    """Finds each emotion with the same probability, and keeps what it was shown."""

    taxonomy = MIKELS

    def __init__(self):
        self.seen = []

    def probs(self, pixels):
        self.seen.append(pixels)
        return Probabilities.from_softmax(torch.zeros(len(pixels), len(MIKELS)))


def _requests(count):
    return [Request("a dog", Target.of("awe", MIKELS), seed=0) for _ in range(count)]


@pytest.fixture
def samples():
    """A white one, and one that failed."""
    white = torch.full((4, 6, 3), 255, dtype=torch.uint8)
    return [Sample(white, Trace(nfe=3)), Sample(None, Trace(), "no finite latents")]


def test_a_request_that_failed_keeps_its_place(samples):
    output = output_of(_requests(2), samples, None, CPU)
    assert output.images[0].size == (6, 4)
    assert output.images[0].getpixel((0, 0)) == (255, 255, 255)
    assert output.images[1] is None
    assert output.failures == [None, "no finite latents"]
    assert [trace.nfe for trace in output.traces] == [3, 0]
    assert output.judged == output.confidences == [None, None]


def test_a_judge_sees_one_image_at_a_time_and_none_that_failed(samples):
    judge = Judge()
    output = output_of(_requests(3), [*samples, samples[0]], judge, CPU)
    assert [pixels.shape for pixels in judge.seen] == [(1, 3, 4, 6)] * 2
    assert judge.seen[0].max() == judge.seen[0].min() == 1.0
    even = dict.fromkeys(MIKELS.labels, 0.125)
    assert output.judged == [even, None, even]
    assert output.confidences == [0.125, None, 0.125]
