"""The tables and plots of a report."""
