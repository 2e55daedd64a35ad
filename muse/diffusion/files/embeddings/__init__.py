"""Textual inversions: what their files hold, and whether it fits a model."""
