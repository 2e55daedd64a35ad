"""The content term: its formula, where it is 0, and what it has a gradient of."""

import torch

from muse.guidance.content import content_loss, content_term
from muse.method import Method

METHOD = Method(content_weight=2.0, content_similarity=0.8, content_source_similarity=0.6)
ACROSS, ALONG = torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0.0])


def _at(*cosines):
    """Unit vectors with these cosines to `ALONG`."""
    rows = torch.tensor(cosines)
    return torch.stack([rows, (1 - rows.square()).sqrt()], dim=1)


def test_it_is_how_far_both_similarities_are_below_their_levels():
    image, along = _at(0.5, 0.5, 0.7, 1.0), ALONG.expand(4, 2)
    editing = torch.tensor([False, True, True, True])
    loss = content_loss(image, along, along, editing, METHOD)
    assert torch.allclose(loss, 2 * torch.tensor([0.3, 0.3 + 0.1, 0.1, 0.0]))


def test_a_row_without_a_source_is_not_compared_with_one():
    text, source = ALONG.expand(1, 2), ACROSS.expand(1, 2)
    for editing, expected in ((False, 0.0), (True, 1.2)):
        loss = content_loss(_at(1.0), text, source, torch.tensor([editing]), METHOD)
        assert torch.allclose(loss, torch.tensor([expected]))


def test_only_rows_that_lose_content_have_a_gradient():
    image = _at(0.5, 0.9).requires_grad_(True)
    along = ALONG.expand(2, 2)
    content_loss(image, along, along, torch.tensor([False, False]), METHOD).sum().backward()
    assert torch.allclose(image.grad, torch.tensor([[-2.0, 0.0], [0.0, 0.0]]))


class _Similarity:
    """Unit vectors by the mean of the pixels; tells how many images it was given."""

    def __init__(self):
        self.images = 0

    def image(self, pixels):
        self.images += len(pixels)
        return _at(*pixels.flatten(1).mean(1).tolist())


def test_at_a_weight_of_0_it_is_0_and_no_image_is_evaluated():
    clip, pixels = _Similarity(), torch.stack([torch.full((3, 2, 2), c) for c in (0.5, 0.7)])
    features = ALONG.expand(2, 2), ALONG.expand(2, 2), torch.tensor([False, True])
    off = content_term(clip, pixels, *features, METHOD.replace(content_weight=0.0))
    assert off.tolist() == [0, 0]
    assert clip.images == 0
    found = content_term(clip, pixels, *features, METHOD)
    assert clip.images == 2
    assert torch.allclose(found, 2 * torch.tensor([0.3, 0.1]))
