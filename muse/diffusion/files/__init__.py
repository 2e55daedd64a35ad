"""What a diffusion model's files are, and where they lie."""
