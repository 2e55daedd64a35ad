"""Models of full size with random weights, and how far they use a CUDA device."""
