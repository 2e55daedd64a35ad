"""Fitting emotional tokens to a diffusion model."""
