"""Everything that a run writes, and everything that reads it."""
