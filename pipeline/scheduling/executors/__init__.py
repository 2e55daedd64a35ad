"""Whatever runs the workers: Ray, or this process."""
