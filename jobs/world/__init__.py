"""Training of the embedded model on rendered scenes."""
