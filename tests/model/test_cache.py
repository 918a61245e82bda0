"""The cache as a store of keys and values."""

from __future__ import annotations

import pytest
import torch

from holdfast.model.cache import KVCache
from holdfast.model.config import TransformerConfig

CONFIG = TransformerConfig(8, 16, 8, num_layers=2, num_heads=2, num_kv_heads=1, intermediate_size=8)


def test_layers_do_not_share_what_they_store() -> None:
    cache = KVCache(1, CONFIG, capacity=4)
    one, two = torch.full((1, 1, 2, 4), 1.0), torch.full((1, 1, 2, 4), 2.0)
    cache.append(0, one, -one)
    cache.append(1, two, -two)
    cache.advance(2, torch.zeros(1, 1, dtype=torch.long))
    keys, values = cache.append(0, one * 5, one * 6)
    assert keys[0, 0, :, 0].tolist() == [1, 1, 5, 5]
    assert values[0, 0, :, 0].tolist() == [-1, -1, 6, 6]


def test_a_full_cache_says_how_large_it_is() -> None:
    cache = KVCache(1, CONFIG, capacity=4)
    with pytest.raises(ValueError, match="5 positions do not fit into a cache of 4"):
        cache.append(0, torch.zeros(1, 1, 5, 4), torch.zeros(1, 1, 5, 4))


def test_it_may_be_kept_in_half_precision() -> None:
    cache = KVCache(1, CONFIG, capacity=4, dtype=torch.bfloat16)
    keys, _ = cache.append(0, torch.full((1, 1, 1, 4), 1.001), torch.zeros(1, 1, 1, 4))
    assert keys.dtype == torch.float32
    assert keys[0, 0, 0, 0] == 1.0
