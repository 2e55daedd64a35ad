"""Files that survive a crash, on disks and object stores; leases and the log."""
