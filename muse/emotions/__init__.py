"""Emotions: taxonomies, targets, labels, and the probabilities that a classifier gives."""

from muse.emotions.target import Target
from muse.emotions.taxonomies import MIKELS
from muse.emotions.taxonomy import Taxonomy

__all__ = ["MIKELS", "Target", "Taxonomy"]
