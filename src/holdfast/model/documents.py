"""Who sees whom where a row holds several documents: as a mask of numbers, and on a GPU as blocks of a mask, so that
what lies between two documents is not computed at all (FlexAttention: Dong et al. 2024).

Blocks take a compiler, so they are used inside compiled layers only, and only once they have computed the same as the
mask does on this very device: there are GPUs on which attention kernels come out wrong.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

TRIED = (2, 4, 2, 256, 64)  # rows, heads, heads of keys, positions, width of what blocks have to show
TOLERANCE = 0.02  # of the length of what the mask gives in fp32, for bf16
_believed: set[str] = set()  # kinds of devices


class Documents:
    """segments: (B, T); equal numbers in a row are one document, whose tokens see each other and nobody after them."""

    def __init__(self, segments: Tensor) -> None:
        self.segments = segments
        self.blocks = _blocks(segments)

    @cached_property
    def mask(self) -> Tensor:
        """The same as a mask."""
        return block_causal_mask(self.segments)


Mask = Tensor | Documents | None  # None: every query sees the keys up to its own place


def documents_mask(segments: Tensor) -> Tensor | Documents:
    """(B, T) segment numbers -> what `attend` takes: blocks where gradients are made by a device that is believed."""
    if segments.device.type in _believed and torch.is_grad_enabled():
        return Documents(segments)
    return block_causal_mask(segments)


def block_causal_mask(segments: Tensor) -> Tensor:
    """(B, T) segment numbers -> (B, 1, T, T) float mask: 0 where the key is in the query's segment and not after it,
    -inf elsewhere. A float mask, because attention on a CPU would turn a boolean one into it once per layer."""
    length = segments.shape[1]
    lower = torch.ones(length, length, dtype=torch.bool, device=segments.device).tril_()
    seen = (segments[:, :, None] == segments[:, None, :]) & lower
    return torch.zeros(seen.shape, device=segments.device).masked_fill_(~seen, float("-inf"))[:, None]


def attend_documents(q: Tensor, k: Tensor, v: Tensor, documents: Documents, dropout: float) -> Tensor:
    """Attention inside documents: q (B, H, T, D) over k, v (B, K, T, D); gives (B, H, T, D)."""
    grouped = q.shape[1] != k.shape[1]
    if dropout or not torch.compiler.is_compiling():
        return F.scaled_dot_product_attention(q, k, v, attn_mask=documents.mask, dropout_p=dropout, enable_gqa=grouped)
    return _by_blocks(q, k, v, documents.blocks, grouped)


def believe(device: torch.device) -> str | None:
    """Use blocks on such a device from now on, if they compute there what the mask does; else why not, in one line."""
    rows, heads, shared, length, width = TRIED
    draws = torch.Generator().manual_seed(1)
    shapes = [(rows, count, length, width) for count in (heads, shared, shared)]
    exact = [torch.randn(shape, generator=draws).to(device).requires_grad_() for shape in shapes]
    half = [each.detach().bfloat16().requires_grad_() for each in exact]
    segments = (torch.arange(length, device=device) >= torch.tensor([[100], [200]], device=device)).long()
    attention: Any = F.scaled_dot_product_attention
    compiled: Any = torch.compile(_by_blocks, dynamic=False)
    try:
        found = _with_slopes(compiled(*half, _blocks(segments), True), half)
    except (RuntimeError, ImportError) as error:
        return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    wanted = _with_slopes(attention(*exact, attn_mask=block_causal_mask(segments), enable_gqa=True), exact)
    apart = max(float((ours - theirs).norm() / theirs.norm()) for ours, theirs in zip(found, wanted, strict=True))
    if not apart <= TOLERANCE:
        return f"attention by blocks is {apart:.0%} apart from attention by a mask"
    _believed.add(device.type)
    return None


def _with_slopes(y: Tensor, of: list[Tensor]) -> list[Tensor]:
    """What came out, and how the sum of its squares changes with what went in; in fp32."""
    return [each.detach().float() for each in (y, *torch.autograd.grad(y.float().square().sum(), of))]


def _blocks(segments: Tensor) -> Any:
    from torch.nn.attention.flex_attention import create_block_mask  # loads the compiler, which takes long

    def seen(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (segments[row, query] == segments[row, key]) & (key <= query)

    rows, length = segments.shape
    return create_block_mask(seen, rows, None, length, length, device=segments.device.type)


def _by_blocks(q: Tensor, k: Tensor, v: Tensor, blocks: Any, grouped: bool) -> Tensor:
    from torch.nn.attention.flex_attention import flex_attention

    kind = q.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else q.dtype
    y: Any = flex_attention(q.to(dtype), k.to(dtype), v.to(dtype), block_mask=blocks, enable_gqa=grouped)
    return y
