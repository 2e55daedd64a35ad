"""How a run is going: a summary of its log, and what shows it."""
