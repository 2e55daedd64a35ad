"""Who works on what: the driver's loop, the pool of workers and their executors."""
