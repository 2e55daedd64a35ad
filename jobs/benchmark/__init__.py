"""The benchmark: cost and speed of the method, the engine and the command."""
