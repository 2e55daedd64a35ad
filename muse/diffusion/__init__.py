"""Diffusion models: the denoising loop, inversion, edits, and what models take of memory."""
