"""Commands on corpora that are there: status, verify; refilter, merge and retry."""
