"""Training of the models of the world of scenes."""
