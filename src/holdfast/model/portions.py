"""The portions in which attention and the head are computed, because the whole would not stay in a cache. No torch."""

from __future__ import annotations

CHUNK_ELEMENTS = 1 << 20  # logits held at a time: 4 MB in fp32, which stays in a CPU's cache
GPU_CHUNK_ELEMENTS = 1 << 26  # of a GPU: 256 MB in fp32, so that its kernels are few and large
LEAST_ROWS = 160  # of such a chunk, however large the vocabulary: products of fewer rows wait for memory
BLOCK = 128  # queries that attend at a time: what is above the diagonal of a block is computed for nothing
LONGEST = 1024  # positions of attention by blocks; beyond, the probabilities it keeps would outweigh all else that is


def chunk_elements(device: str, precision: str) -> int:
    """Logits held at a time. In fp16 few everywhere, because their slopes are summed up in it: see loss.slope_scale."""
    return CHUNK_ELEMENTS if device == "cpu" or precision == "fp16" else GPU_CHUNK_ELEMENTS


def chunk_rows(tokens: int, vocab_size: int, most: int = CHUNK_ELEMENTS) -> int:
    """Positions whose logits are held at a time."""
    return max(1, min(tokens, max(LEAST_ROWS, most // vocab_size)))


def blocks(length: int) -> list[slice]:
    """The queries of a row, block by block; those of one see the keys up to its end."""
    return [slice(start, min(start + BLOCK, length)) for start in range(0, length, BLOCK)]


def keys_kept(length: int) -> int:
    """Probabilities that one head keeps for its way back."""
    return sum((part.stop - part.start) * part.stop for part in blocks(length))
