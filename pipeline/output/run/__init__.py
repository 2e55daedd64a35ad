"""The run in an output: its run.json, whether it may go on, and what is finished of it."""
