"""Looking at a corpus, complete or not: its rows and pictures, and a local page for them."""
