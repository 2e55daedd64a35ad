"""The evaluation: arms compared by an independent classifier."""
