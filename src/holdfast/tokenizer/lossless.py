"""The gate every tokenizer passes before it is used: text comes back byte for byte, and never as a special token."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.base.faults import DataFault
from holdfast.tokenizer.codec import Tokenizer
from holdfast.tokenizer.special import SPECIAL_TOKENS

NASTY = (
    "",
    " ",
    "\x00 \x01\x1b\x7f",
    "  two before, two after  ",
    "\n\n\n",
    "\ttab\t\ttab\r\nold\rMac\r\n\r\n",
    "na\u00efve caf\u00e9, cafe\u0301, \u1e9b\u0323",
    "don't DON'T we'll I\u2019ve 'tis",
    "1234567890 3.14159 1,000,000",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea \u2603\ufe0f",
    "\u4f60\u597d\uff0c\u4e16\u754c \u3053\u3093 \u0928\u092e\u0938\u094d\u0924\u0947 \u05e9\u05dc\u05d5\u05dd",
    "\u00a0\u2003\u3000\u2028\u2029\u0085\ufeff\ufffd\ufffe\U0010ffff\ue000",
    "a" * 300 + "=" * 300 + " " * 300 + "x",
    "".join(chr(code) for code in range(0x20, 0x250)),
    "".join(SPECIAL_TOKENS),
    " <|bos|> <|reserved_0|> <|endoftext|> <0x41><0xFF> \u0120the \u010a",
)


def check_lossless(tokenizer: Tokenizer, samples: Iterable[str] = ()) -> None:
    """Raise DataFault unless a fixed set of hard texts, and `samples`, survive encoding and decoding exactly."""
    texts = [*NASTY, *samples]
    limit = tokenizer.vocabulary.text_size
    for text, ids in zip(texts, tokenizer.encode_batch(texts), strict=True):
        if tokenizer.decode_bytes(ids) != text.encode("utf-8"):
            raise DataFault(
                f"the tokenizer loses text: {text[:40]!r} comes back as {tokenizer.decode(ids)[:40]!r}",
                "train the tokenizer again; if it happens again the installed `tokenizers` library is at fault",
            )
        if ids and max(ids) >= limit:
            raise DataFault(
                f"the tokenizer turns the text {text[:40]!r} into a special token",
                "train the tokenizer again; if it happens again the installed `tokenizers` library is at fault",
            )
