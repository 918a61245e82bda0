"""XML to a tree, by a parser that opens nothing, fetches nothing and expands nothing.

Entities are left in the tree as they stand; `Entities` knows the text of those that stand for a character or two, and
refuses the rest: the billion laughs, files of this machine, addresses of the network.
What XML is: https://www.w3.org/TR/xml/ (fifth edition, 2008).
"""

from __future__ import annotations

import html.entities
import re
from typing import Any

from holdfast.text.read.encoding import decode
from holdfast.text.read.place import Place, missing
from holdfast.text.rejection import Unreadable

Element = Any  # of lxml, which has no types

MOST_TAGS = 2_000_000  # an element of four bytes takes two hundred in memory
LONGEST_ENTITY = 8  # characters; a name of three bytes can not grow much
_DECLARATION = re.compile(r"\s*<\?xml\b[^>]*\?>")
_ENCODING = re.compile(rb"<\?xml\b[^>]*?\bencoding\s*=\s*[\"']([\w.:-]+)")
_NAMED = re.compile(r"&(\w+);")
_LONE = re.compile(r"&(?!#\d+;|#[xX][0-9a-fA-F]+;|[\w.:-]+;)")
_NOT_XML = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_OF_XML = frozenset(("amp", "lt", "gt", "quot", "apos"))


class Entities:
    """What the names of entities stand for: what the file declares, else what HTML does."""

    def __init__(self, declared: dict[str, str | None]) -> None:
        self.declared = declared

    def text(self, name: str) -> str:
        """The characters. Raises Unreadable for a name that nobody knows or that stands for more than a character."""
        if name in self.declared:
            value = self.declared[name]
            if value is None or len(value) > LONGEST_ENTITY or "&" in value or "<" in value:
                raise Unreadable("an entity that is no character", name[:40])
            return value
        if name + ";" in html.entities.html5:
            return html.entities.html5[name + ";"]
        raise Unreadable("an entity that nothing explains", name[:40])


def parse(data: bytes, place: Place) -> tuple[Element, Entities, str]:
    """(root, entities, encoding). What is not well-formed is tried once more with `_mended`.

    Raises Unreadable for what is no XML, and DataFault when the library is not installed.
    """
    try:
        from lxml import etree
    except ImportError:
        raise missing("lxml", place) from None
    if data.count(b"<") > MOST_TAGS:
        raise Unreadable("too many parts", f"more than {MOST_TAGS:,} tags")
    declared = _ENCODING.search(data[:200])
    text, encoding = decode(data, declared[1].decode("ascii") if declared else None)
    text = _DECLARATION.sub("", text, count=1)  # it speaks of bytes that are characters by now
    try:
        root = etree.fromstring(text.encode("utf-8"), _parser(etree))
    except etree.XMLSyntaxError as error:
        why = str(error)
        try:
            root = etree.fromstring(_mended(text).encode("utf-8"), _parser(etree))
        except etree.XMLSyntaxError:
            raise Unreadable("broken XML", why[:200]) from None
    schema = root.getroottree().docinfo.internalDTD
    known = {} if schema is None else {str(each.name): each.content for each in schema.iterentities()}
    return root, Entities(known), encoding


def name_of(element: Element) -> str:
    """The name without its namespace, in small letters: TEI was written in capitals before it was XML."""
    return str(element.tag).rpartition("}")[2].lower()


def _parser(etree: Any) -> Any:
    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,  # the library's own bounds on depth, on names and on how much entities may grow
        recover=False,  # it drops what it does not understand
        remove_comments=True,
        remove_pis=True,
    )


def _mended(text: str) -> str:
    """The same text with what older files get wrong: characters by the names HTML gives them, lone ampersands, page
    breaks and other controls. Nothing that can be read is lost."""
    if "<![CDATA[" in text:
        return text  # where an ampersand is an ampersand
    text = _NAMED.sub(lambda match: _character(match[0], match[1]), text)
    return _NOT_XML.sub(" ", _LONE.sub("&amp;", text))


def _character(whole: str, name: str) -> str:
    return whole if name in _OF_XML else html.entities.html5.get(name + ";", whole)
