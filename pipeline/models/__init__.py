"""The models of a run: where they are, their hashes, and whether they are safe to load."""
