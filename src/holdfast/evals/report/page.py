"""How a template becomes a page: everything a model, a user or a text brought is escaped, and a gap is an error."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def pages() -> Environment:
    """The templates of this folder. A page is one file: no script, no request to anywhere."""
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
