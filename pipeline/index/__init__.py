"""What makes shards a data set: metadata, data card, contact sheet, files for loaders."""
