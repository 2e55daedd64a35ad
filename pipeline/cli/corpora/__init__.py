"""Commands on corpora: to look at them, and to make others of them."""
