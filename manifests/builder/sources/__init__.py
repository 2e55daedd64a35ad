"""The kinds of sources, each read as a stream of items."""
