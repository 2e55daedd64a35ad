"""What a run writes on its way: batches, records, shards and their markers."""
