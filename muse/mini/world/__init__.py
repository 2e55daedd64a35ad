"""A world of scenes at 128 x 128 pixels: what it holds, how it is drawn and how it is described."""
