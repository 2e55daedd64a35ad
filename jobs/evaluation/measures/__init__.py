"""Figures of finished images, and of the results of an arm."""
