"""What a large run costs its driver."""
