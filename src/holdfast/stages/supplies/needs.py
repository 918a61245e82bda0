"""Everything a recipe needs that must be on this machine, in one list: fetching, checking, bundling and planning read
it, so that they never speak of different things.

Each owner declares its needs as plain data, in a function of its own; a setting that names files is a line in FILES.
What files they were is remembered: of sources in their locks, of the user's own files in records.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from glob import has_magic
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal

from holdfast.base.faults import DataFault, Fault, RecipeFault
from holdfast.base.settings import flat
from holdfast.stages.recipe import Recipe
from holdfast.stages.supplies.records import Recorded, read_record
from holdfast.text.fetch.items import place
from holdfast.text.fetch.lock import Locked
from holdfast.text.fetch.place import sources_folder
from holdfast.text.locate import InputFile, find_inputs
from holdfast.text.sources.catalogue.registry import Source, load, usable
from holdfast.text.sources.collect.listing import fetchable
from holdfast.text.sources.fetched import lock_of

Kind = Literal["source", "texts", "chats", "evaluation", "lists", "tokenizer", "weights"]

FETCH = "holdfast fetch RECIPE"
OTHERWISE = "change what is in its way, or leave it out: `exclude`, in a list of your own (corpus.source_files)"
# Settings that name files of the user's own, and what is in them. One that a recipe does not have is passed over.
FILES: dict[str, Kind] = {
    "corpus.path": "texts",
    "corpus.dedup.decontaminate": "evaluation",
    "corpus.source_files": "lists",
    "corpus.words": "lists",
    "tokenizer.load": "tokenizer",
    "sft.path": "chats",
}


@dataclass(frozen=True, slots=True)
class Expected:
    """A file that has to be there. name: how people know it. bytes, sha256: None where they were never recorded."""

    name: str
    path: Path
    bytes: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that is not there, or not as it should be: a line each."""

    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Need:
    """Something a recipe can not do without.

    name:     what asks for it: a setting, or a source by its id.
    files:    that have to be there. lacks: what is known to be missing without a look at them.
    remedy:   for a file that is missing or damaged.
    recorded: whether what the files have to be is known; otherwise all that can be said is that they open.
    notes:    worth knowing, and no reason to stop.
    words:    of the user's own files, the paths that the recipe gives.
    """

    kind: Kind
    name: str
    files: tuple[Expected, ...] = ()
    lacks: tuple[Lack, ...] = ()
    remedy: str = ""
    recorded: bool = True
    notes: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


def needs(recipe: Recipe, besides: Collection[str] = (), *, forgetting: bool = False) -> list[Need]:
    """All that `recipe` needs. Looks at names only; nothing is opened but what remembers them.

    besides: settings whose needs are left out, and not looked for.
    forgetting: as if nobody had recorded what the user's own files are.
    Raises RecipeFault for a source that does not exist or is switched off.
    """
    found = [need for declared in DECLARED for need in declared(recipe, besides)]
    return [_own(need.kind, need.name, need.words, fresh=True) if forgetting and need.words else need for need in found]


def lacking(recipe: Recipe, besides: Collection[str] = ()) -> Iterator[Lack]:
    """What is missing by name or size, in a moment: what a plan says of it. besides: settings that somebody else looks
    at. Raises RecipeFault."""
    for need in needs(recipe, besides):
        yield from need.lacks
        for file in need.files:
            if why := misses(file):
                yield Lack(f"{need.name}: {file.name} {why}", need.remedy)


def misses(file: Expected) -> str | None:
    """What a look at its entry in the file system says against a file; None when nothing does."""
    try:
        size = file.path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return "is missing"
    except OSError as error:
        return f"can not be read: {error.strerror}"
    if not file.path.is_file():
        return "is no file"
    if file.bytes is not None and size != file.bytes:
        return f"has {size:,} bytes instead of {file.bytes:,}"
    return None


def chosen_sources(recipe: Recipe) -> list[Source]:
    """The sources that the recipe names. Raises RecipeFault."""
    settings = recipe.corpus
    if not settings.sources:
        return []
    found = load(settings.source_files).named(settings.sources)
    usable(found)
    return found


def named_places(recipe: Recipe) -> list[Path]:
    """Files and folders of the user's own that the recipe names: for a pattern, the folder in front of it."""
    values = flat(recipe)
    words = [word for setting in FILES for word in _words(values.get(setting))]
    with suppress(RecipeFault):  # lists of sources that are not here yet; whoever has to know them will say so
        words += [word for source in chosen_sources(recipe) for word in _words(source.entry.path)]
    if recipe.pretrain.init_from is not None:
        words.append(recipe.pretrain.init_from.partition(":")[0])
    return [Path(*takewhile(lambda part: not has_magic(part), Path(word).parts)) for word in words]


def _sources(recipe: Recipe, besides: Collection[str]) -> Iterator[Need]:
    for source in chosen_sources(recipe):
        if source.entry.kind == "local":
            yield _own("texts", f"source {source.id}", _words(source.entry.path))
        elif not fetchable(source.entry):
            folder = sources_folder() / source.id
            remedy = f"get its files from {source.entry.url} and put them into {folder}"
            yield _own("texts", f"source {source.id}", [str(folder)], remedy)
        else:
            yield _fetched(source)


def _fetched(source: Source) -> Need:
    name, remedy = f"source {source.id}", f"`{FETCH}`, where there is a network"
    try:
        lock = lock_of(source)
    except DataFault as fault:
        return Need("source", name, lacks=(Lack(fault.cause, fault.remedy),))
    if lock is None:
        return Need("source", name, lacks=(Lack(f"{name} was not fetched", remedy),))
    into = sources_folder()
    files = tuple(
        Expected(each.item.name, place(into, each.item), each.item.bytes, each.item.sha256)
        for each in lock.files
        if each.fetched
    )
    waiting = [each for each in lock.files if not each.fetched and not each.gone]
    lacks = [
        Lack(f"{name}: {each.item.name} was not fetched{_because(each)}", OTHERWISE if each.final else remedy)
        for each in waiting
    ]
    if not files and not waiting:
        lacks.append(Lack(f"{name} has no file that could be fetched", f"look at `holdfast sources check {source.id}`"))
    notes = [f"{name}: {each.item.name} is left out for good{_because(each)}" for each in lock.files if each.gone]
    return Need("source", name, files, tuple(lacks), remedy, notes=tuple(notes))


def _because(each: Locked) -> str:
    return f": {each.why}" if each.why else ""


def _files(recipe: Recipe, besides: Collection[str]) -> Iterator[Need]:
    """What settings name; of those of a stage that is switched off, nothing."""
    values = flat(recipe)
    for setting, kind in FILES.items():
        words = _words(values.get(setting))
        if setting not in besides and words and values.get(f"{setting.partition('.')[0]}.enabled", True):
            yield _own(kind, setting, words)


def _weights(recipe: Recipe, besides: Collection[str]) -> Iterator[Need]:
    source = recipe.pretrain.init_from
    if source is None or "pretrain.init_from" in besides:
        return
    # They bring torch, which nobody waits for where no weights are named.
    from holdfast.stages.resuming.choice import located
    from holdfast.vault.manifest import FILE

    try:
        checkpoint = located(source, stage="pretrain")
    except Fault as fault:
        yield Need("weights", "pretrain.init_from", lacks=(Lack(f"pretrain.init_from: {fault.cause}", fault.remedy),))
        return
    sizes = {FILE: None, **{name: record.bytes for name, record in checkpoint.manifest.files.items()}}
    files = tuple(
        Expected(f"{checkpoint.path.name}/{name}", checkpoint.path / name, size) for name, size in sizes.items()
    )
    yield Need("weights", "pretrain.init_from", files, remedy="copy that checkpoint again, or name another one")


DECLARED: tuple[Callable[[Recipe, Collection[str]], Iterator[Need]], ...] = (_sources, _files, _weights)


def _own(kind: Kind, name: str, words: Sequence[str], get: str = "", fresh: bool = False) -> Need:
    """Files of the user's own: those recorded, else those that are there now. fresh: without a look at the record."""
    lacks: list[Lack] = []
    found: list[InputFile] = []
    for word in words:
        try:
            inputs = find_inputs(word, name)
        except DataFault as fault:
            lacks.append(Lack(f"{name}: {fault.cause}", get or fault.remedy))
            continue
        found += inputs.files
        odd = (each for each in inputs.rejected if each.reason.startswith("unreadable"))
        lacks += [
            Lack(f"{name}: {each.id}: {each.why}", "check its permissions, or where its link leads") for each in odd
        ]
    try:
        recorded = None if fresh else read_record(name, words)
    except DataFault as fault:
        return Need(kind, name, lacks=(*lacks, Lack(fault.cause, fault.remedy)), recorded=False, words=tuple(words))
    if recorded is None:
        files = tuple(Expected(file.name, file.path, file.bytes) for file in found)
        remedy = get or f"put it right, or take it out of {name}"
        return Need(kind, name, files, tuple(lacks), remedy, recorded=False, words=tuple(words))
    unreadable = tuple(lack for lack in lacks if "unreadable" in lack.what)
    return replace(_as_recorded(kind, name, recorded, found), lacks=unreadable, words=tuple(words))


def _as_recorded(kind: Kind, name: str, recorded: Sequence[Recorded], found: Sequence[InputFile]) -> Need:
    files = [Expected(each.name, each.path, each.bytes, each.sha256) for each in recorded]
    known = {each.path.absolute() for each in recorded}
    new = [Expected(file.name, file.path, file.bytes) for file in found if file.path.absolute() not in known]
    notes = () if not new else (f"{name}: {_count(len(new), 'file')} more than were recorded",)
    remedy = f"put back what was there, or take what is there now: `{FETCH} --refresh`"
    return Need(kind, name, (*files, *new), remedy=remedy, notes=notes)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _words(value: Any) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)
