"""All sources that can be named: the lists that come with the package, and the user's own laid over them.

A list is a YAML file with `sources`, from id to the fields of an entry, and `defaults` for what all of them share. A
user's list adds sources; under the id of a shipped one it changes the fields it names or, if it names `kind`,
replaces that source altogether. Nothing is asked of the network.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from holdfast.base.explain import RecipeProblems, build, nearest
from holdfast.base.faults import RecipeFault
from holdfast.base.layers import Layer, from_yaml, merge
from holdfast.text.sources.catalogue.entry import ID, Entry, Years

USER_FOLDER = "HOLDFAST_SOURCES"  # an environment variable: lists in this folder are always read
_PARTS = ("about", "defaults", "sources")
_CALLED = {"license": "licence", "search_terms": "words or query", "time_period": "period", "type": "kind"}


@dataclass(frozen=True, slots=True)
class Source:
    """An entry under its id.

    origin: the file it is from. changes: what a user's file changed of a shipped entry, empty where nothing.
    shipped: whether it came with the package.
    """

    id: str
    entry: Entry
    origin: str
    changes: tuple[str, ...] = ()
    shipped: bool = False


class Registry(Mapping[str, Source]):
    """Sources by id, in the order of their files."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._sources = dict(sources)

    def __getitem__(self, id: str) -> Source:
        return self._sources[id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)

    def named(self, ids: Sequence[str]) -> list[Source]:
        """The sources of these ids; a pattern such as ia-* stands for all texts that it matches and that are enabled.

        Raises RecipeProblems that names all that do not exist.
        """
        found = {word: self._matching(word) for word in ids}
        if faults := [self._unknown(word) for word, matching in found.items() if not matching]:
            raise RecipeProblems(faults)
        return [self[id] for id in dict.fromkeys(id for matching in found.values() for id in matching)]

    def chosen(self, period: Years | None = None, place: str | None = None, licence: str | None = None) -> list[Source]:
        """The sources that a period meets, of a place, under a licence; words are looked for inside theirs."""
        found = []
        for source in self.values():
            entry = source.entry
            if period is not None and not (entry.period and entry.period.meets(period)):
                continue
            if _holds(entry.place, place) and _holds(entry.licence, licence):
                found.append(source)
        return found

    def _matching(self, word: str) -> list[str]:
        if word in self:
            return [word]
        texts = (id for id, each in self.items() if each.entry.enabled and each.entry.format != "chats")
        return [id for id in texts if fnmatchcase(id, word)]

    def _unknown(self, id: str) -> RecipeFault:
        near = nearest(id, list(self))
        return RecipeFault(
            f"there is no source {id}", f"did you mean {near}?" if near else "`holdfast sources list` shows them all"
        )


def _holds(said: str | None, wanted: str | None) -> bool:
    return wanted is None or wanted.casefold() in (said or "").casefold()


def usable(sources: Sequence[Source]) -> None:
    """Raise RecipeProblems unless each of these may be used as it stands."""
    faults = []
    for source in sources:
        if not source.entry.enabled:
            remedy = f"leave it out, or say `sources: {{{source.id}: {{enabled: true}}}}` in a YAML file of your own"
            faults.append(
                RecipeFault(
                    f"{source.id} is not enabled: {source.entry.why}", f"{remedy}, named in corpus.source_files"
                )
            )
        elif source.entry.format == "chats":
            remedy = f"leave it out; files from {source.entry.url} are for sft.path"
            faults.append(RecipeFault(f"{source.id} holds conversations, not text", remedy))
    if faults:
        raise RecipeProblems(faults)


def load(files: Sequence[str] = ()) -> Registry:
    """The shipped lists, those in the user's folder, and `files`.

    Raises RecipeProblems with all that is wrong in them, RecipeFault for a file that can not be read.
    """
    shipped = _shipped()
    mine = _layers([*_users(), *(Path(name).expanduser() for name in files)])
    sources: dict[str, Source] = {}
    faults: list[RecipeFault] = []
    for id in {**shipped, **mine}:
        base, own = shipped.get(id), mine.get(id)
        changed: tuple[str, ...] = ()
        if base is not None and own is not None:
            changed = tuple(own[1].values)
            layer = own[1] if "kind" in own[1].values else merge([base[1], own[1]], {})
        else:
            layer = (own or shipped[id])[1]
        try:
            origin = (own or shipped[id])[0]
            sources[id] = Source(id, build(Entry, layer, _CALLED), origin, changed, base is not None)
        except RecipeProblems as error:
            faults += [RecipeFault(f"source {id}: {fault.cause}", fault.remedy) for fault in error.faults]
    if faults:
        raise RecipeProblems(faults)
    return Registry(sources)


@cache
def _shipped() -> dict[str, tuple[str, Layer]]:
    """Those that come with holdfast; reading them takes some tenths of a second, and they do not change."""
    return _layers(sorted(Path(__file__).parent.glob("*.yaml")))


def _users() -> list[Path]:
    folder = os.environ.get(USER_FOLDER)
    if not folder:
        return []
    if not os.path.isdir(folder):
        raise RecipeFault(f"{USER_FOLDER} names {folder}, which is no folder", f"create it, or unset {USER_FOLDER}")
    return sorted(each for each in Path(folder).iterdir() if each.suffix in (".yaml", ".yml"))


def _layers(paths: Sequence[Path]) -> dict[str, tuple[str, Layer]]:
    """(file, layer) of each source that the files describe, defaults included; an id given twice is an error."""
    found: dict[str, tuple[str, Layer]] = {}
    for path in dict.fromkeys(paths):
        for id, layer in _read(path):
            if id in found:
                raise RecipeFault(
                    f"source {id} is described in {found[id][0]} and again in {path.name}", "keep one of the two"
                )
            found[id] = (path.name, layer)
    return found


def _read(path: Path) -> Iterator[tuple[str, Layer]]:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise RecipeFault(f"the list of sources {path} can not be read: {why}", "check corpus.source_files") from None
    whole = from_yaml(text, path.name, f"file {path.name}")
    defaults, layers = Layer(), dict[str, Layer]()
    for key, value in whole.values.items():
        part, _, rest = key.partition(".")
        id, _, field = rest.partition(".")
        if part not in _PARTS:
            near = nearest(part, _PARTS)
            remedy = f"did you mean {near}?" if near else f"a list of sources has {', '.join(_PARTS)}"
            raise RecipeFault(f"{path.name} line {whole.lines[key]}: there is no {part}", remedy)
        if part == "about":
            continue
        if not rest:
            if value:
                raise RecipeFault(f"{path.name} line {whole.lines[key]}: {part} holds no fields", _SHAPE)
            continue
        if part == "sources" and not ID.fullmatch(id):
            raise RecipeFault(
                f"{path.name} line {whole.lines[key]}: {id!r} can not be an id", "use small letters, digits and dashes"
            )
        layer = defaults if part == "defaults" else layers.setdefault(id, Layer())
        name = rest if part == "defaults" else field
        if name:
            layer.values[name] = value
            layer.sources[name] = whole.sources[key]
            layer.lines[name] = whole.lines[key]
    for id, layer in layers.items():
        yield id, merge([defaults, layer], {})


_SHAPE = "write `sources:`, an id below it, and its fields as `name: value` below that"
