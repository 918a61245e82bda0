"""What may stand in a recipe, generated from the types: a page for people and a JSON schema for editors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from holdfast.base.settings import Section, flat, settings, subsection
from holdfast.stages.recipe import EXTENDS, Recipe


def reference() -> str:
    """The settings as Markdown, one table per section."""
    intro = (
        "# Settings\n\n"
        "Written by `holdfast recipes reference` from the types that check a recipe. A setting marked *free* changes "
        "neither data nor mathematics: changing it never makes a finished stage run again.\n"
    )
    return intro + "\n" + "\n".join(_tables(Recipe, "", flat(Recipe.model_validate({}))))


def schema() -> dict[str, Any]:
    """JSON schema of a recipe file, for completion and checks while typing."""
    found = Recipe.model_json_schema()
    found["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    about = "another recipe, by file or name, whose values hold where this one says nothing"
    found["properties"][EXTENDS] = {"type": "string", "description": about}
    for section in (found, *found["$defs"].values()):
        for setting in section.get("properties", {}).values():
            if {"type": "null"} in (options := setting.get("anyOf", [])):
                options.append({"const": "off"})
    return found


def _tables(section: type[Section], prefix: str, defaults: dict[str, Any]) -> Iterator[str]:
    title = f"`{prefix.rstrip('.')}`" if prefix else "The recipe itself"
    about = " ".join((section.__doc__ or "").split())
    yield f"## {title}\n\n{about}\n\n| setting | takes | default | what it is |\n|---|---|---|---|"
    inner = []
    for setting in settings(section, prefix):
        name = setting.path.removeprefix(prefix)
        if "." in name:
            continue
        default = defaults[setting.path]
        shown = "off" if default is None else str(default).lower() if isinstance(default, bool) else str(default)
        mark = " *(free)*" if setting.free else ""
        meaning = (setting.field.description or "") + mark
        yield "| " + " | ".join(_cell(text) for text in (f"`{setting.path}`", setting.words, shown, meaning)) + " |"
    for name, field in section.model_fields.items():
        if (group := subsection(field)) is not None:
            inner.append((group, f"{prefix}{name}."))
    yield ""
    for group, path in inner:
        yield from _tables(group, path, defaults)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
