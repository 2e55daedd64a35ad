"""What is wrong with a manifest and its settings, or unexpected in them, found before a run."""
