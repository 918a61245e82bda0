"""Why a recipe was refused, for people: every problem at once, each with its place, its source and what to do."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from holdfast.base.faults import RecipeFault
from holdfast.base.layers import Layer
from holdfast.base.settings import Section, Setting, all_problems, settings, subsection

S = TypeVar("S", bound=Section)
_SHOWN = 60  # characters of a refused value that are worth showing


class RecipeProblems(RecipeFault):
    """Everything that is wrong with a recipe; `faults` holds each problem with its own remedy."""

    def __init__(self, faults: Sequence[RecipeFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(fault.cause for fault in faults), "\n".join(fault.remedy for fault in faults))


def build(section: type[S], layer: Layer, called: Mapping[str, str]) -> S:
    """The section with the layer's values, types and contradictions checked.

    called: what other systems call a setting (`n_embd`) and where it is here, for unknown keys.
    Raises RecipeProblems with all problems found.
    """
    built, faults = salvage(section, layer, called)
    if faults:
        raise RecipeProblems(faults)
    return built


def salvage(section: type[S], layer: Layer, called: Mapping[str, str]) -> tuple[S, list[RecipeFault]]:
    """The section with those of the layer's values that can be used, and what is wrong with the others.

    Raises RecipeProblems where that leaves nothing that is a section.
    """
    faults: list[RecipeFault] = []
    refused: set[str] = set()
    while True:
        try:
            built = section.model_validate(layer.nested())
            break
        except ValidationError as error:
            found = dict(_refusals(section, error, layer, called))
            faults += found.values()
            layer, before = _without(layer, found.keys()), layer
            refused |= found.keys()
            if len(layer.values) == len(before.values):
                raise RecipeProblems(faults) from None
    for path, what, remedy in all_problems(built):
        if not any(path == known or path.startswith(f"{known}.") for known in refused):  # which is told already
            faults.append(RecipeFault(f"{path} ({layer.where(path)}): {what}", remedy))
    return built, faults


def _without(layer: Layer, paths: Iterable[str]) -> Layer:
    """The layer but for what was refused: settings, or all of a group."""
    gone = tuple(paths)
    kept = {
        path: value
        for path, value in layer.values.items()
        if not any(each in ("", path) or path.startswith(f"{each}.") for each in gone)
    }
    return Layer(kept, layer.sources, layer.lines)


def nearest(word: str, known: Sequence[str]) -> str | None:
    """The known word that `word` is probably a slip of, if there is one."""
    found = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return found[0] if found else None


def _refusals(
    section: type[Section], error: ValidationError, layer: Layer, called: Mapping[str, str]
) -> Iterator[tuple[str, RecipeFault]]:
    """(path, what is wrong there) of everything that the types refuse."""
    known = {setting.path: setting for setting in settings(section)}
    told = set()
    for detail in error.errors(include_url=False):
        path, item = _place(detail["loc"], known)
        if path in told:  # a union reports once per member; the setting's own words name them all
            continue
        told.add(path)
        if detail["type"] == "extra_forbidden" and path in known:  # inside an item of a list
            what, group = detail["loc"][-1], f"{path}{item}"
            yield path, RecipeFault(f"there is no setting {what} in {group} ({layer.where(path)})", _INSIDE)
        elif detail["type"] == "extra_forbidden":
            yield path, _unknown(section, path, layer, called)
        elif path in known:
            yield path, _refused(known[path], item, detail, layer)
        elif detail["type"] == "value_error":  # a section refused its values together
            place = f"{path} ({layer.where(path)})" if path else "the recipe"
            yield path, RecipeFault(f"{place}: {detail['ctx']['error']}", "change the setting it names")
        else:
            example = next((name for name in known if name.startswith(f"{path}.")), path)
            cause = f"{path} ({layer.where(path)}) is a group of settings, not a value"
            yield path, RecipeFault(cause, f"name the setting inside it, such as {example}")


def _place(loc: tuple[int | str, ...], known: Mapping[str, Setting]) -> tuple[str, str]:
    """The setting an error is about, and the item inside it when it is a list."""
    for length in range(len(loc), 0, -1):
        if (path := ".".join(map(str, loc[:length]))) in known:
            return path, "".join(f"[{part}]" for part in loc[length:] if isinstance(part, int))
    return ".".join(map(str, loc)), ""


def _refused(setting: Setting, item: str, detail: ErrorDetails, layer: Layer) -> RecipeFault:
    whole = detail["type"] == "missing"  # a list that is too short
    path = setting.path if whole else f"{setting.path}{item}"
    shown = _shown(layer.values.get(setting.path) if whole else detail["input"])
    where = layer.where(setting.path)
    context: Mapping[str, Any] = detail.get("ctx", {})
    if detail["type"] == "missing" and setting.path not in layer.values:
        return RecipeFault(f"{setting.path} has no value", f"give it {setting.words}")
    if detail["type"] in _LIMITS:
        limit = next(iter(context.values()))
        return RecipeFault(
            f"{path} ({where}) must be {_LIMITS[detail['type']]} {limit}, not {shown}", f"give it {setting.words}"
        )
    choices = re.findall(r"[\w-]+", setting.words)
    if detail["type"] == "literal_error" and (near := nearest(str(detail["input"]), choices)):
        return RecipeFault(f"{path} ({where}) can not be {shown}", f"did you mean {near}? It takes {setting.words}")
    if detail["type"] == "value_error":
        return RecipeFault(f"{path} ({where}): {context['error']}", f"it takes {setting.words}")
    return RecipeFault(f"{path} ({where}) can not be {shown}", f"give it {setting.words}")


_INSIDE = "look up the name: `holdfast recipes show` lists all settings"
_LIMITS = {
    "greater_than": "more than",
    "greater_than_equal": "at least",
    "less_than": "less than",
    "less_than_equal": "at most",
}


def _unknown(section: type[Section], path: str, layer: Layer, called: Mapping[str, str]) -> RecipeFault:
    group, _, name = path.rpartition(".")
    cause = f"there is no setting {path} ({layer.where(path)})"
    siblings = list(_group(section, group).model_fields)
    everywhere = [setting.path for setting in settings(section)]
    if name in called:
        return RecipeFault(cause, f"here it is called {called[name]}")
    if near := nearest(name, siblings):
        return RecipeFault(cause, f"did you mean {f'{group}.' if group else ''}{near}?")
    names = {other: other.rsplit(".", 1)[-1] for other in everywhere}
    if near := nearest(name, list(names.values())):
        same = [other for other in everywhere if names[other] == near]
        inside = [other for other in same if group and other.startswith(f"{group}.")]
        return RecipeFault(cause, f"did you mean {' or '.join(inside or same)}?")
    return RecipeFault(cause, f"{group or 'a recipe'} has {', '.join(siblings)}")


def _group(section: type[Section], path: str) -> type[Section]:
    for name in filter(None, path.split(".")):
        field = section.model_fields.get(name)
        inner = None if field is None else subsection(field)
        if inner is None:
            break
        section = inner
    return section


def _shown(value: Any) -> str:
    if value is None:
        return "off"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
