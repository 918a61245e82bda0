"""Token shards on disk to batches; a batch is a pure function of its index."""
