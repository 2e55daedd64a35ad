"""Engines: what makes the images of a run, behind one interface."""
