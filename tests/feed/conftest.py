import numpy as np
import pytest

from holdfast.feed.shards import Shards
from holdfast.feed.write import ShardWriter


@pytest.fixture
def make(tmp_path_factory):
    """make(documents, masks=None, shard_tokens=..., dtype=...) -> open Shards in a folder of their own."""

    def write(documents, masks=None, shard_tokens=1 << 20, dtype=np.uint16):
        out = tmp_path_factory.mktemp("shards")
        with ShardWriter(out, dtype, shard_tokens) as writer:
            for number, ids in enumerate(documents):
                writer.add(ids, None if masks is None else masks[number])
            writer.close({"tokenizer_fingerprint": "t", "made_from": "m"})
        return Shards.open(out)

    return write
