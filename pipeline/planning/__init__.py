"""What a run is going to make: requests and their keys and seeds, the fingerprint, and what a retry
changes."""
