"""The content term: its formula, where it is 0, and what it has a gradient of."""

import torch

from muse.guidance.content import ContentTerm
from muse.guidance.content_levels import UNKNOWN, ContentLevels
from muse.method import Method

TERM = ContentTerm(2.0, (0.8, 0.6))
ACROSS, ALONG = torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0.0])


def _at(*cosines):
    """Unit vectors with these cosines to `ALONG`."""
    rows = torch.tensor(cosines)
    return torch.stack([rows, (1 - rows.square()).sqrt()], dim=1)


def test_it_is_how_far_both_similarities_are_below_their_levels():
    image, along = _at(0.5, 0.5, 0.7, 1.0), ALONG.expand(4, 2)
    editing = torch.tensor([False, True, True, True])
    loss = TERM.loss(image, along, along, editing)
    assert torch.allclose(loss, 2 * torch.tensor([0.3, 0.3 + 0.1, 0.1, 0.0]))


def test_a_row_without_a_source_is_not_compared_with_one():
    text, source = ALONG.expand(1, 2), ACROSS.expand(1, 2)
    for editing, expected in ((False, 0.0), (True, 1.2)):
        loss = TERM.loss(_at(1.0), text, source, torch.tensor([editing]))
        assert torch.allclose(loss, torch.tensor([expected]))


def test_only_rows_that_lose_content_have_a_gradient():
    image = _at(0.5, 0.9).requires_grad_(True)
    along = ALONG.expand(2, 2)
    TERM.loss(image, along, along, torch.tensor([False, False])).sum().backward()
    assert torch.allclose(image.grad, torch.tensor([[-2.0, 0.0], [0.0, 0.0]]))


class _Similarity:
    """Unit vectors by the mean of the pixels; tells how many images it was given."""

    def __init__(self, levels=UNKNOWN):
        self.images, self.levels = 0, levels

    def image(self, pixels):
        self.images += len(pixels)
        return _at(*pixels.flatten(1).mean(1).tolist())


def test_at_a_weight_of_0_it_is_0_and_no_image_is_evaluated():
    clip, pixels = _Similarity(), torch.stack([torch.full((3, 2, 2), c) for c in (0.5, 0.7)])
    features = ALONG.expand(2, 2), ALONG.expand(2, 2), torch.tensor([False, True])
    off = ContentTerm(0.0, (0.8, 0.6)).of_pixels(clip, pixels, *features)
    assert off.tolist() == [0, 0]
    assert clip.images == 0
    found = TERM.of_pixels(clip, pixels, *features)
    assert clip.images == 2
    assert torch.allclose(found, 2 * torch.tensor([0.3, 0.1]))


def test_levels_are_those_of_the_method_else_of_the_similarity_model():
    clip = _Similarity(ContentLevels(content_similarity=0.7, content_source_similarity=0.6))
    assert ContentTerm.of(Method(content_weight=3.0), clip) == ContentTerm(3.0, (0.7, 0.6))
    own = Method(content_weight=3.0, content_similarity=0.2)
    assert ContentTerm.of(own, clip) == ContentTerm(3.0, (0.2, 0.6))
    assert ContentTerm.of(Method(content_weight=0.0), clip).weight == 0


def test_where_no_level_is_known_the_term_is_off_or_of_the_known_one_alone():
    assert ContentTerm.of(Method(), _Similarity()).weight == 0
    half = ContentTerm.of(Method(content_weight=3.0, content_similarity=0.2), _Similarity())
    assert half == ContentTerm(3.0, (0.2, -1.0))
    # However unlike its source an edit is, nothing is asked of it.
    loss = half.loss(_at(0.3), ALONG[None], -ALONG[None], torch.tensor([True]))
    assert loss.tolist() == [0.0]
