"""What to make: manifests in parquet, read in a stream and checked before anything is loaded."""
