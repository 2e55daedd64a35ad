"""Experiments on single questions about the method, outside the evaluation."""
