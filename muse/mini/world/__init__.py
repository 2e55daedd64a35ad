"""The renderer of the embedded world: contents, factors of emotion, drawings and captions."""
