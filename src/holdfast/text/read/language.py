"""Languages by the two letters of ISO 639-1, whatever a file calls them.

The longer codes are those of ISO 639-2, https://www.loc.gov/standards/iso639-2: of the languages that archives of print
in Western hands hold.
"""

from __future__ import annotations

_KNOWN = {
    "ar": "ara arabic", "cs": "ces cze czech", "cy": "cym wel welsh", "da": "dan danish", "de": "deu ger german",
    "el": "ell gre grc greek", "en": "eng english", "es": "spa spanish", "fi": "fin finnish", "fr": "fra fre french",
    "ga": "gle irish", "gd": "gla", "he": "heb hebrew", "hu": "hun hungarian", "is": "isl ice icelandic",
    "it": "ita italian", "ja": "jpn japanese", "la": "lat latin", "nl": "nld dut dutch", "no": "nor norwegian",
    "pl": "pol polish", "pt": "por portuguese", "ro": "ron rum romanian", "ru": "rus russian", "sv": "swe swedish",
    "tr": "tur turkish", "zh": "zho chi chinese",
}  # fmt: skip
_CODES = {name: code for code, names in _KNOWN.items() for name in names.split()}


def language_of(said: str) -> str:
    """ "en" for "eng", "en-GB" and "English"; empty for what is not known."""
    first = said.strip().lower().replace("_", "-").partition("-")[0]
    return first if len(first) == 2 and first.isascii() and first.isalpha() else _CODES.get(first, "")
