"""Making a manifest: contents from a source, crossed with emotions, written as parquet."""
