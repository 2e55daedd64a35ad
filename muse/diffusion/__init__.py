"""Diffusion models: samplers, schedules, inversion, backbones and their loading."""
