"""A harbour town that fits in a few files: text to learn from and chats to be examined by, for machines without books.

Everything is a pure function of (index, seed). Names, words, sums and wordings of the held-out split occur in no
document and in no training chat of their family.
"""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.base.records import Conversation, Document
from holdfast.disk.files import fingerprint as hash_of
from holdfast.text.harbour.chats import FAMILIES, conversation
from holdfast.text.harbour.lexicon import Split
from holdfast.text.harbour.stories import document

__all__ = ["FAMILIES", "conversations", "documents", "fingerprint"]

SAMPLE = 100


def documents(count: int, seed: int, start: int = 0) -> Iterator[Document]:
    """Documents start..start+count-1: short stories, ledgers, dialogues, lessons and what is known of the town."""
    return (document(index, seed) for index in range(start, start + count))


def conversations(count: int, seed: int, split: Split) -> Iterator[Conversation]:
    """`count` chats of one side of the split, each with `family`, `answer` and `chance` in its meta."""
    return (conversation(index, seed, split) for index in range(count))


def fingerprint() -> str:
    """Changes when what is made here changes: a hash of the first texts and chats of a fixed seed."""
    chats = [[*chat.messages] for chat in conversations(SAMPLE, 0, "train")]
    return hash_of([[text.text for text in documents(SAMPLE, 0)], chats])
