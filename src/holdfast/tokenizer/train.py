"""Learning a vocabulary from text. The same text and settings give the same tokenizer, whatever the thread count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from holdfast.base.faults import DataFault
from holdfast.tokenizer.adopt import adopt
from holdfast.tokenizer.codec import Tokenizer, apart, utf8
from holdfast.tokenizer.cut import pieces
from holdfast.tokenizer.learning import count_words, learn
from holdfast.tokenizer.lossless import check_lossless
from holdfast.tokenizer.settings import TokenizerSettings
from holdfast.tokenizer.special import SMALLEST_VOCABULARY, SPECIAL_TOKENS, VOCABULARY_MULTIPLE, round_up
from holdfast.tokenizer.vocabulary import Vocabulary, byte_alphabet, byte_level, byte_token

# Longer tokens are rulers and dashes (====) that crowd out words.
LONGEST_TOKEN_BYTES = 32

# For learning (only) an endless word is cut: nothing is to be learned from one, and it would be held in memory whole.
SAMPLE_CHARACTERS = 1 << 12
LONGEST_SAMPLE_CHARACTERS = SAMPLE_CHARACTERS + (1 << 10)

Progress = Callable[[int, int | None], None]


def train(
    texts: Iterable[str],
    settings: TokenizerSettings,
    progress: Progress | None = None,
    total_bytes: int | None = None,
) -> Tokenizer:
    """A tokenizer learned from at most `settings.train_bytes` of `texts`.

    progress(done_bytes, bytes_to_read): called as text is read; learning the merges comes after the last call.
    total_bytes: the UTF-8 size of all texts. If known, the sample is spread evenly over them; else it is their start.
    Raises DataFault when there is no text or the text does not allow so many tokens.
    """
    domain = tuple(settings.domain_tokens)
    sample = _Sample(settings.train_bytes, total_bytes, progress, domain)
    if settings.load is not None:
        vocabulary = adopt(Path(settings.load), domain)
    elif settings.kind == "byte":
        vocabulary = Vocabulary("byte", None, tuple(byte_alphabet()), domain=domain)
    elif settings.kind == "char":
        vocabulary = _learn_characters(sample.take(texts), settings)
    else:
        vocabulary = _learn_merges(sample.take(texts), settings)
    if settings.load is not None or settings.kind == "byte":
        sample.look_for_domain(texts)
    elif not sample.first:
        raise DataFault("there is no text to learn a vocabulary from", "check that the corpus is not empty")
    if sample.unseen:
        raise DataFault(
            f"no text has the domain tokens {', '.join(sorted(sample.unseen))}",
            "leave them out of tokenizer.domain_tokens, or write them into the texts",
        )
    tokenizer = Tokenizer(vocabulary)
    check_lossless(tokenizer, [sample.first])
    return tokenizer


class _Sample:
    """Takes an even share of a stream of texts, piece by piece, so that one long novel is sampled all through."""

    def __init__(self, limit: int, total: int | None, progress: Progress | None, domain: Sequence[str]) -> None:
        self.limit = limit
        self.total = total
        self.progress = progress
        self.first = ""
        self.unseen = set(domain)
        self._domain = apart(domain)

    def take(self, texts: Iterable[str]) -> Iterator[str]:
        """The pieces that belong to the sample; a piece is taken when the sample is behind its share. When it is full,
        the other texts are only looked through for domain tokens that were not seen yet."""
        total = self.total
        share = min(1.0, self.limit / total) if total else 1.0
        seen = taken = 0
        texts = iter(texts)
        for text in texts:
            for piece in self._pieces(text):
                size = len(utf8(piece))
                if taken <= seen * share:
                    taken += size
                    self.first = self.first or piece
                    yield piece
                seen += size
                if taken >= self.limit:
                    self.look_for_domain(texts)
                    return
            if self.progress is not None:
                self.progress(seen, total if total else self.limit)

    def _pieces(self, text: str) -> Iterator[str]:
        """Short pieces of a text without its domain tokens, of which nothing is to be learned."""
        self._look(text)
        for part in self._domain.split(text)[::2] if self._domain else (text,):
            yield from pieces(part, SAMPLE_CHARACTERS, LONGEST_SAMPLE_CHARACTERS)

    def look_for_domain(self, texts: Iterable[str]) -> None:
        """Go on through the texts until every domain token was seen."""
        for text in texts if self.unseen else ():
            self._look(text)
            if not self.unseen:
                return

    def _look(self, text: str) -> None:
        if self.unseen and self._domain:
            self.unseen -= set(self._domain.findall(text))


def _learn_merges(sample: Iterable[str], settings: TokenizerSettings) -> Vocabulary:
    """Byte-level BPE (Sennrich et al. 2016; Radford et al. 2019)."""
    wanted = settings.vocab_size - len(SPECIAL_TOKENS) - len(settings.domain_tokens)
    tokens, merges = learn(count_words(sample, settings.pattern), wanted, LONGEST_TOKEN_BYTES)
    if len(tokens) < wanted:
        raise _too_large(settings.vocab_size, settings.vocab_size - wanted + len(tokens))
    return Vocabulary(
        "bpe",
        settings.pattern,
        tuple(map(byte_level, tokens)),
        tuple((byte_level(left), byte_level(right)) for left, right in merges),
        tuple(settings.domain_tokens),
    )


def _too_large(wanted: int, reachable: int) -> DataFault:
    round_size = reachable - reachable % VOCABULARY_MULTIPLE
    remedy = (
        f"set tokenizer.vocab_size={round_size} or less, or give more text"
        if round_size >= SMALLEST_VOCABULARY
        else "set tokenizer.kind=byte, or give more text"
    )
    return DataFault(f"tokenizer.vocab_size is {wanted} but the text allows only {reachable} tokens", remedy)


def _learn_characters(sample: Iterable[str], settings: TokenizerSettings) -> Vocabulary:
    """ASCII, the bytes that spell everything else in UTF-8, and the other characters of the text by frequency.

    A byte token is only ever needed for a character outside ASCII, so 0x80..0xF4 without the two lead bytes that
    UTF-8 never uses suffice for every text.
    """
    ascii_characters = [chr(code) for code in range(0x80)]
    byte_tokens = [byte_token(byte) for byte in range(0x80, 0xF5) if byte not in (0xC0, 0xC1)]
    counts: Counter[str] = Counter()
    for piece in sample:
        counts.update(piece)
    others = [character for character in counts if ord(character) >= 0x80]
    others.sort(key=lambda character: (-counts[character], character))
    domain = tuple(settings.domain_tokens)
    room = round_up(settings.vocab_size) - len(ascii_characters) - len(byte_tokens) - len(SPECIAL_TOKENS) - len(domain)
    return Vocabulary("char", None, (*ascii_characters, *byte_tokens, *others[:room]), domain=domain)
