"""Time and cost of a run before it is made, from what an earlier one or a trial took."""
