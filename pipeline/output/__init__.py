"""What a run writes on its way: run.json, batches, records, shards and their markers."""
