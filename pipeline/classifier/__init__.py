"""Fitting a classifier to labelled images: reading them, training, and figures that say how far to
trust it."""
