"""Who works on what: the driver's loop and the pool of workers."""
