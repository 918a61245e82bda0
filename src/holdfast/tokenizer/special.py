"""The tokens that are never text: where a document starts and ends, who speaks, and what pads."""

from __future__ import annotations

BYTES = 256

SPECIAL_TOKENS = (
    "<|bos|>",
    "<|eot|>",
    "<|pad|>",
    "<|user_start|>",
    "<|user_end|>",
    "<|assistant_start|>",
    "<|assistant_end|>",
    "<|system_start|>",
    "<|system_end|>",
    "<|python_start|>",
    "<|python_end|>",
    "<|output_start|>",
    "<|output_end|>",
)

SMALLEST_VOCABULARY = BYTES + len(SPECIAL_TOKENS)

# Matrix kernels like widths that are multiples of 64, and every id needs a name because some formats list them all.
VOCABULARY_MULTIPLE = 64


def round_up(size: int) -> int:
    """The next size that is a multiple of VOCABULARY_MULTIPLE."""
    return -(-size // VOCABULARY_MULTIPLE) * VOCABULARY_MULTIPLE


def special_tokens(text_tokens: int) -> tuple[str, ...]:
    """The names that follow `text_tokens` ordinary ids: the special tokens, then reserved ones up to a round total."""
    total = round_up(text_tokens + len(SPECIAL_TOKENS))
    reserved = total - text_tokens - len(SPECIAL_TOKENS)
    return SPECIAL_TOKENS + tuple(f"<|reserved_{number}|>" for number in range(reserved))
