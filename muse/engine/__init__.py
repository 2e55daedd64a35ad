"""MUSE for many requests at once, each at its own step: rows, their phases, tensors of a batch."""
