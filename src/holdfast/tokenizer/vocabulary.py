"""A vocabulary as plain data, and the library objects that encode with it.

The data (kind, pattern, tokens, merges) is the truth: objects are always assembled from it by the code here, so a
saved file can not bring in a normaliser or a rule that this project does not know.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, processors
from tokenizers import Tokenizer as Encoder

from holdfast.disk.files import fingerprint
from holdfast.tokenizer.settings import Kind, Pattern
from holdfast.tokenizer.special import special_tokens

# The word patterns that llama.cpp calls gpt-2, llama-bpe and qwen2. Not a character may change: a runtime picks its own
# copy by name, and a difference would silently give other ids.
PATTERNS: dict[Pattern, str] = {
    "gpt2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "llama-bpe": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "qwen2": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
}


@dataclass(frozen=True)
class Vocabulary:
    """Tokens in the order of their ids, as the library spells them.

    tokens: for bpe and byte in the byte-level alphabet, for char characters and `<0xNN>` bytes. Special tokens are not
    in it; they take the ids after the last one.
    merges: pairs of tokens in the order they were learned; only bpe has any.
    domain: words of the user's that are one token each wherever a text has them. They are text, as `tokens` are.
    """

    kind: Kind
    pattern: Pattern | None
    tokens: tuple[str, ...]
    merges: tuple[tuple[str, str], ...] = ()
    domain: tuple[str, ...] = ()

    @property
    def text_size(self) -> int:
        """How many ids text can become: all below this."""
        return len(self.tokens) + len(self.domain)

    @cached_property
    def domain_ids(self) -> dict[str, int]:
        """Name -> id of every domain token."""
        return {name: len(self.tokens) + place for place, name in enumerate(self.domain)}

    @cached_property
    def special(self) -> dict[str, int]:
        """Name -> id of every special and reserved token."""
        return {name: self.text_size + place for place, name in enumerate(special_tokens(self.text_size))}

    @property
    def size(self) -> int:
        """All ids: text, special and reserved."""
        return self.text_size + len(self.special)

    @cached_property
    def fingerprint(self) -> str:
        """Equal iff every text gets equal ids."""
        rule = None if self.pattern is None else PATTERNS[self.pattern]
        domain = [self.domain] if self.domain else []
        return fingerprint([self.kind, rule, self.tokens, self.merges, *domain, list(self.special)])

    @cached_property
    def token_bytes(self) -> list[bytes]:
        """The bytes behind each id (V entries), empty for special tokens."""
        spell = _character_bytes if self.kind == "char" else _byte_level_bytes
        spelled = [spell(token) for token in self.tokens] + [name.encode("ascii") for name in self.domain]
        return spelled + [b""] * len(self.special)


def bare_encoder(kind: Kind, pattern: Pattern | None, model: models.BPE | None = None) -> Encoder:
    """A library tokenizer with the rules of a kind, around `model` (None: an empty one), without special tokens."""
    encoder = Encoder(models.BPE() if model is None else model)
    if kind == "char":
        encoder.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
        return encoder
    encoder.decoder = decoders.ByteLevel()
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    if pattern is None:
        encoder.pre_tokenizer = byte_level
    else:
        # Regex(...) matters: a plain str is taken literally, never matches, and words would merge across spaces
        split = pre_tokenizers.Split(Regex(PATTERNS[pattern]), behavior="isolated")
        encoder.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    return encoder


def text_encoder(vocabulary: Vocabulary) -> Encoder:
    """Encodes text and nothing else: it holds no special token, so no text can turn into one. Nor domain tokens."""
    ids = {token: place for place, token in enumerate(vocabulary.tokens)}
    model = models.BPE(vocab=ids, merges=list(vocabulary.merges), byte_fallback=vocabulary.kind == "char")
    return bare_encoder(vocabulary.kind, vocabulary.pattern, model)


def full_encoder(vocabulary: Vocabulary) -> Encoder:
    """The tokenizer other people's software loads: special tokens are known by name, and `<|bos|>` is put before a
    plain text (not before a rendered chat, which already starts with it)."""
    encoder = text_encoder(vocabulary)
    encoder.add_tokens([AddedToken(name, special=False, normalized=False) for name in vocabulary.domain])
    encoder.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in vocabulary.special])
    bos = "<|bos|>"
    encoder.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, vocabulary.special[bos])]
    )
    return encoder


def byte_alphabet() -> list[str]:
    """The character that stands for each byte 0..255 in byte-level BPE (Radford et al. 2019): a printable Latin-1
    character for itself, and the other bytes, in order, as the characters from U+0100 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]


_CHARACTER_OF = byte_alphabet()
_BYTE_OF = {character: byte for byte, character in enumerate(_CHARACTER_OF)}


def byte_level(spelled: bytes) -> str:
    """How bytes are written in the byte-level alphabet."""
    return "".join(_CHARACTER_OF[byte] for byte in spelled)


def _byte_level_bytes(token: str) -> bytes:
    return bytes(_BYTE_OF[character] for character in token)


def byte_token(byte: int) -> str:
    """How the char kind spells one raw byte."""
    return f"<0x{byte:02X}>"


def _character_bytes(token: str) -> bytes:
    return bytes([int(token[3:5], 16)]) if len(token) > 1 else token.encode("utf-8")
