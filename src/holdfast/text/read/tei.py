"""TEI in the forms in which archives publish it: P5, P4 and older, the Text Creation Partnership's, the Old Bailey's.

What is kept is what was printed: of a `choice` the original, of a page no running head and no catchword. Notes stand
elsewhere on the page and would cut sentences in two, so they are left out and counted (`notes_left_out`). What nobody
could read is shown by the signs of the Text Creation Partnership and counted by characters or gaps (`illegible`):
a bullet for a letter, a lozenge in brackets for a word, an ellipsis in brackets for more than that.

A session of the Old Bailey becomes one document per trial: a trial is a whole, a session is a volume of hundreds, and
single trials are published as well, so that only so the same trial from two places is seen to be the same.
The forms: https://tei-c.org/guidelines/p5 (4.7), https://tei-c.org/Vault/P4/doc/html, the documentation of the TCP at
https://textcreationpartnership.org/docs, and https://www.oldbaileyonline.org/about/xml (2023).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from holdfast.base.records import Document
from holdfast.text.read.header import facts, interpretations
from holdfast.text.read.place import Found, Place, whole
from holdfast.text.read.tree import Element, Entities, name_of, parse
from holdfast.text.read.walk import Dialect, names, text_of
from holdfast.text.rejection import Rejected, Unreadable

HEADERS = names("teiheader header temphead idg")
_MARKS = frozenset("•◊〈〉…")  # by which the Text Creation Partnership shows what is illegible
_NOT_LOST = {"blank": "_", "duplicate": "", "music": ""}  # gaps where no word of the work is missing
_MORE = "〈…〉"
_LINE_END = str.maketrans("", "", "∣¦")  # "se∣cond": a word that the printer broke, whole again


def _gap(element: Element) -> tuple[str, int]:
    """What stands for a gap, and how many characters or passages it hides."""
    says = {str(name).lower(): str(value) for name, value in element.attrib.items()}
    kind = says.get("desc") or says.get("reason") or ""
    shown = says.get("disp") or "".join(element.itertext()).strip()
    if kind in _NOT_LOST:
        return _NOT_LOST[kind], 0
    if shown and not set(shown) - _MARKS:
        return shown, sum(sign in "•◊…" for sign in shown)
    return _MORE, 1


def _character(element: Element) -> tuple[str, int]:
    """A `g`: a sign with a name of its own, with or without a character that comes near it."""
    says = str(element.get("ref") or "")
    if "EOLhyphen" in says or "EOLunhyphen" in says:
        return "", 0
    text = "".join(element.itertext()).strip()
    return (text, 0) if text else ("•", 1)


def _modern(element: Element) -> tuple[str, int] | None:
    """An editor's reading: left out where the printed one stands beside it in a `choice`, else all there is."""
    return ("", 0) if name_of(element.getparent()) == "choice" else None


TEI = Dialect(
    dropped=HEADERS | names("note fw figdesc del interp interpgrp join index xptr ptr notatedmusic"),
    counted=names("note"),
    paragraphs=names(
        "text group front body back div div0 div1 div2 div3 div4 div5 div6 div7 p ab head lg sp stage list table "
        "figure castlist opener closer salute signed dateline trailer epigraph argument byline titlepage doctitle "
        "titlepart docimprint docauthor docdate imprimatur letter postscript floatingtext listbibl"
    ),
    lines=names("l item row castitem label"),
    breaks=names("lb"),
    labels=names("speaker"),
    cells=names("cell"),
    stand_ins=(("gap", _gap), ("g", _character), *((name, _modern) for name in ("reg", "corr", "expan"))),
)
OLD_BAILEY = replace(
    TEI,
    dropped=TEI.dropped | {"lb"},  # it stands inside words, or beside a space
    # the files are indented in the middle of sentences: no space of the text has a line end in it and a comma behind
    glue=re.compile(r"(?<!\s)(?=[^\S\n]*+\n)\s++(?=[,.;:?!)]|['’]s\b)"),
)


def documents(root: Element, entities: Entities, encoding: str, place: Place) -> Found:
    """The work as one document, a session of the Old Bailey as one for each part, a corpus as one for each work."""
    if name_of(root) == "teicorpus":
        for number, work in enumerate((each for each in root if name_of(each) in ("tei", "tei.2")), 1):
            yield from documents(work, entities, encoding, place.below(str(number)))
        return
    sessions = [each for each in root.iter("div0") if each.get("type") == "sessionsPaper"]
    parts = [part for session in sessions for part in session if part.tag == "div1"]
    ids = [str(part.get("id")) for part in parts]
    if len(set(ids)) < len(ids):
        ids = [str(number) for number in range(1, len(parts) + 1)]
    dialect = OLD_BAILEY if next(root.iter("interp"), None) is not None else TEI
    if not parts:
        said = {**interpretations(root), **_said(root, entities, place)}
        yield _document(root, dialect, entities, encoding, said, place)
    for id, part in zip(ids, parts, strict=True):
        yield _document(part, dialect, entities, encoding, interpretations(part), place.below(id))


def _document(
    part: Element, dialect: Dialect, entities: Entities, encoding: str, said: Mapping[str, Any], place: Place
) -> Document | Rejected:
    text, counts = text_of(part, dialect, entities)
    if name_of(part) == "ets":
        text = text.translate(_LINE_END)
    if not text:
        return Rejected(place.id, "no text in it", "nothing but markup")
    found = {"illegible": counts["illegible"], "notes_left_out": counts["note"]}
    return place.document(text, encoding, {**said, **{key: count for key, count in found.items() if count}})


def _said(root: Element, entities: Entities, place: Place) -> dict[str, Any]:
    """What the header says: the file's own, or one in a file beside. A broken one says nothing."""
    own = next((each for each in root.iter("*") if name_of(each) in ("teiheader", "header")), None)
    if own is not None or place.header is None:
        return facts(own, root, entities)
    try:
        with open(place.header, "rb") as file:
            beside, its_entities, _ = parse(whole(file), place)
        return facts(beside, root, its_entities)
    except (Unreadable, OSError):
        return facts(None, root, entities)
