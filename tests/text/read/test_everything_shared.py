"""One pass over all real files there are, of some fifteen formats: each is accounted for, and nothing of its markup or
its bytes is left where it should not be or lost where it should."""

import html
import re
import tarfile
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from fnmatch import fnmatch
from itertools import chain
from pathlib import Path

import pytest

from holdfast.base.records import Document
from holdfast.text.locate import find_inputs
from holdfast.text.meter import Meter
from holdfast.text.rejection import Rejected
from holdfast.text.settings import CorpusSettings
from holdfast.text.sources import local

pytestmark = pytest.mark.slow

MARKUP = ("*.xml", "*.cnxml", "*.htm", "*.json")
TAG = re.compile(r"</?[A-Za-z][A-Za-z0-9:.]*(?:\s[^<>]*)?/?>|<!--|\]\]>|&#?[xX]?\w+;")
AS_THE_PRINTER_HAD_IT = {"&c;"}  # what looks like an entity and is one in no alphabet
NOVELS = "history/novels_1839_1920.tar.xz"

# Files of which nothing is a text, by the reason why: evaluation and chats have other fields, the rest is no text.
WITHOUT_TEXT = {
    "no field 'text'": ("eval/*.jsonl", "eval/*.jsonl.gz", "chat/*.json", "chat/*.jsonl", "chat/*.xz", "MANIFEST.json"),
    "no column 'text'": ("eval/mmlu/*.csv", "noncommercial/*.csv"),
    "a header, not a text": ("fixtures/tcp_p4_xml_ecco/*.hdr",),
    "not a format that is read here": ("SHA256SUMS",),
}


@dataclass
class Seen:
    """What one pass over everything found."""

    files: list[str]
    documents: Counter[str] = field(default_factory=Counter)
    rejected: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    markup: list[str] = field(default_factory=list)
    lossy: list[str] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)
    works: dict[str, tuple[dict[str, object], int]] = field(default_factory=dict)

    def add(self, found: Document | Rejected) -> None:
        if isinstance(found, Rejected):
            self.rejected[found.reason][found.id] += 1
            return
        name = str(found.meta["path"])
        self.documents[name] += 1
        if "undone" in str(found.meta.get("encoding")):
            self.repaired.append(found.id)
        inner = found.id.removeprefix(name + ":")
        if any(fnmatch(part, pattern) for part in (name, inner) for pattern in MARKUP):
            self.markup += [f"{found.id}: {tag}" for tag in TAG.findall(found.text) if _is_markup(tag)]
        if "tcp" in name:
            key = str(found.meta.get("id") or Path(name).name.removesuffix(".xml").removesuffix(".headed"))
            self.works[f"{Path(name).suffix}:{key}"] = (dict(found.meta), len(found.text.split()))


def _is_markup(tag: str) -> bool:
    return tag not in AS_THE_PRINTER_HAD_IT and (tag[0] != "&" or html.unescape(tag) != tag)


@pytest.fixture(scope="module")
def everything(shared: Path) -> Seen:
    folder = shared / "data"
    seen = Seen([file.name for file in find_inputs(str(folder)).files])
    with tarfile.open(folder / NOVELS) as archive:
        novels = {f"{NOVELS}:{each.name}": archive.extractfile(each) for each in archive if each.isreg()}
        whole = {name: content.read() for name, content in novels.items() if content is not None}
    settings = CorpusSettings(path=str(folder))
    for found in chain.from_iterable(local.units(settings, 0, Meter(lambda done, total: None))):
        seen.add(found)
        if isinstance(found, Document) and (found.id.endswith(".txt")):
            path = folder / found.id
            data = whole.pop(found.id, None) or (path.read_bytes() if path.is_file() else None)
            encoding = str(found.meta.get("encoding", "utf-8"))
            if data is not None and found.text.encode(encoding) != data.removeprefix(b"\xef\xbb\xbf"):
                seen.lossy.append(found.id)
    assert not whole, "novels that never came"
    return seen


def test_every_file_is_accounted_for(everything: Seen) -> None:
    told = [*everything.documents, *(id for ids in everything.rejected.values() for id in ids)]
    known = {each for id in told for each in (id, id.partition(":")[0])}
    assert [name for name in everything.files if name not in known] == []


def test_what_has_a_text_is_read_and_the_rest_has_its_reason(everything: Seen) -> None:
    for reason, ids in everything.rejected.items():
        patterns = WITHOUT_TEXT.get(reason, ())
        strange = {id for id in ids if not any(fnmatch(id.partition(":")[0], pattern) for pattern in patterns)}
        assert not strange, f"{reason}: {sorted(strange)[:5]}"
    empty = {name for name in everything.files if not everything.documents[name]}
    patterns = tuple(chain.from_iterable(WITHOUT_TEXT.values()))
    assert [name for name in empty if not any(fnmatch(name, pattern) for pattern in patterns)] == []


def test_no_tag_and_no_entity_is_left(everything: Seen) -> None:
    assert everything.markup == []


def test_no_character_of_plain_text_is_lost_or_changed(everything: Seen) -> None:
    assert everything.lossy == []
    assert everything.repaired == [], "none of these was ever misread"


def test_the_numbers_of_documents(everything: Seen) -> None:
    counts = {
        "fixtures/tcp_p4_xml_ecco": 12,
        "fixtures/tcp_p4_xml_eebo": 6,
        "fixtures/tei_p5_eltec": 6,
        "fixtures/gutenberg_raw": 10,
        "modern/factbook_json.tar.xz": 255,
        "noncommercial/oldbailey_tei": 583,
        "noncommercial/oldbailey_trials_xml": 80,
        "noncommercial/openstax_philosophy_2e_cnxml.tar.xz": 76,
        NOVELS: 78,
    }
    found = {place: sum(n for name, n in everything.documents.items() if name.startswith(place)) for place in counts}
    assert found == counts


def test_the_same_works_read_by_somebody_else(everything: Seen) -> None:
    """The texts beside these files were made from them by another program."""
    pairs = [(key, everything.works[".xz" + key.removeprefix(".xml")]) for key in everything.works if key[:4] == ".xml"]
    assert len(pairs) == 18
    for key, (said, words) in pairs:
        ours, our_words = everything.works[key]
        assert our_words == pytest.approx(words, rel=0.004), key
        assert abs(int(str(ours.get("illegible", 0))) - int(str(said["illegible"]))) <= 6, key
        assert str(ours["title"])[:50] == str(said["title"])[:50], key
        assert (ours.get("author", ""), ours["year"]) == (said["author"], said["year"]), key
