"""The report of a run: one page, made of its files alone, that needs nothing but a browser."""
