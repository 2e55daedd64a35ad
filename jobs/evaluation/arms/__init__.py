"""Arms: ways to make the same cases from the same starting noise, with their best settings."""
