"""The Internet Archive's `_djvu.xml`: what its optical character recognition saw, word by word.

Its `_djvu.txt` is plain text and read as such. The form is that of DjVuLibre's djvutoxml:
https://djvu.sourceforge.net/doc/man/djvutoxml.html.
"""

from __future__ import annotations

from holdfast.text.read.place import Found, Place
from holdfast.text.read.tree import Element, Entities
from holdfast.text.read.walk import Dialect, names, text_of
from holdfast.text.rejection import Rejected

DJVU = Dialect(paragraphs=names("pagecolumn region paragraph"), lines=names("line"), cells=names("word"))
PAGE_BREAK = "\f"


def documents(root: Element, entities: Entities, encoding: str, place: Place) -> Found:
    """The book as one document, its pages apart by form feeds."""
    pages = [text_of(page, DJVU, entities)[0] for page in root.iter("HIDDENTEXT")]
    if not any(pages):
        yield Rejected(place.id, "no text in it", "nothing but pictures of pages")
        return
    yield place.document(f"\n{PAGE_BREAK}".join(pages), encoding)
