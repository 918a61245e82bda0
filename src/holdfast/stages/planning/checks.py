"""What would stop a run, found before it starts: all of it at once, each with its remedy, in a moment.

Nothing is built, trained or written, and no library is loaded that reads data. What takes longer is in `plan`.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch

from holdfast.base.faults import Fault, NotReady
from holdfast.base.records import Conversation
from holdfast.journal.metrics import words_for_bytes, words_for_seconds
from holdfast.model.config import Config, config_from_dict, config_to_dict
from holdfast.publish.parity import require_transformers
from holdfast.stages import assemble
from holdfast.stages.deadline import TOO_SHORT, seconds_left
from holdfast.stages.planning import forecast
from holdfast.stages.recipe import Recipe
from holdfast.stages.resuming.changes import other_model, words
from holdfast.stages.resuming.choice import located
from holdfast.stages.run import IDENTITY, refuse_foreign
from holdfast.stages.stage import TRAINED, read_record
from holdfast.stages.supplies.needs import lacking
from holdfast.text.corpus import read_conversations
from holdfast.text.locate import InputFile, find_inputs
from holdfast.text.read.formats import library_for
from holdfast.text.sources import content_bytes
from holdfast.text.sources.fetched import input_files
from holdfast.tokenizer.special import SMALLEST_VOCABULARY
from holdfast.tokenizer.store import saved_size
from holdfast.train import precision
from holdfast.train.memory import ROOM, free_memory

RESERVE = 1.2  # free disk that a run should find, as a factor on what it writes
FEWEST_CHATS = 2  # one to learn from and one to hold out
CHATS_READ = 1000  # rows of chat files that are looked at
TOKENIZER = "tokenizer"  # the stage that makes one

Found = TypeVar("Found")


class Problem(NamedTuple):
    """Why a run would fail, and what to do about it: a line each."""

    what: str
    remedy: str


class Unready(NotReady):
    """Everything that would stop the run; `faults` holds each problem with its own remedy."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.faults = tuple(NotReady(*problem) for problem in problems)
        super().__init__("\n".join(each.what for each in problems), "\n".join(each.remedy for each in problems))


@dataclass(slots=True)
class Case:
    """A run that is about to start, and what is known of it.

    stages: those that are to be brought to done.
    """

    recipe: Recipe
    run_dir: Path
    stages: Sequence[str]
    problems: list[Problem] = field(default_factory=list)
    text_bytes: int = 0
    chat_bytes: int = 0
    device: torch.device | None = None
    config: Config | None = None

    def attempt(self, make_it: Callable[[], Found]) -> Found | None:
        """What `make_it` gives; its Fault becomes a problem, so that the others are found too."""
        try:
            return make_it()
        except Fault as fault:
            self.problems += [Problem(each.cause, each.remedy) for each in getattr(fault, "faults", (fault,))]
            return None

    def unfinished(self, stage: str) -> bool:
        """Whether there is work left in a stage, as far as its record says."""
        record = read_record(self.run_dir / stage)
        return stage in self.stages and (record is None or record["status"] != "done")

    @property
    def trains(self) -> bool:
        """Whether this start is to train."""
        return any(self.unfinished(stage) for stage in TRAINED if stage in forecast.trained(self.recipe))


def examine(recipe: Recipe, run_dir: Path, stages: Sequence[str]) -> Case:
    """Look at everything a start of `stages` depends on; `problems` of what comes back says what is in its way."""
    case = Case(recipe, run_dir, stages)
    for check in (
        _corpus,
        _supplies,
        _chats,
        _vocabulary,
        _libraries,
        _model,
        _weights,
        _machine,
        _memory,
        _disk,
        _place,
        _saves,
        _limit,
    ):
        found = list(check(case))
        case.problems += found
    return case


def require_ready(recipe: Recipe, run_dir: Path, stages: Sequence[str]) -> None:
    """Raise Unready, with all that is in the way, unless a start of `stages` can go well."""
    if problems := examine(recipe, run_dir, stages).problems:
        raise Unready(problems)


def _corpus(case: Case) -> Iterator[Problem]:
    settings = case.recipe.corpus
    if settings.generator is None:
        files = [] if settings.path is None else list(_files(case, settings.path, "corpus.path"))
        yield from _unusable(files, "corpus.path")
        if settings.sources is not None:
            with suppress(Fault):  # what of them is not here, or does not exist, is a problem of `_supplies`
                files += input_files(settings)
        for library, name in {library_for(file.name): file.name for file in files}.items():
            if library is not None and not _installed(library):
                yield Problem(f"{library} is not installed, and {name} needs it", "pip install 'holdfast[data]'")
        case.text_bytes = content_bytes(files)
    else:
        case.text_bytes = forecast.text_made(settings)


def _supplies(case: Case) -> Iterator[Problem]:
    """What else has to be on this machine, by name and size."""
    looked_at = ("corpus.path", "sft.path", "tokenizer.load", "pretrain.init_from")
    for lack in case.attempt(lambda: list(lacking(case.recipe, besides=looked_at))) or []:
        yield Problem(lack.what, lack.remedy)


def _files(case: Case, paths: str | list[str], setting: str) -> Iterator[InputFile]:
    """The files that each of the paths names; each path that names none is a problem of its own."""
    for path in [paths] if isinstance(paths, str) else paths:
        found = case.attempt(partial(find_inputs, path, setting))
        yield from () if found is None else found.files
    if paths == []:
        case.attempt(lambda: find_inputs([], setting))


def _unusable(files: Sequence[InputFile], setting: str) -> Iterator[Problem]:
    if files and not any(file.bytes for file in files):
        yield Problem(f"{files[0].path} and all else that {setting} names is empty", f"check {setting}")
    elif files and not any(os.access(file.path, os.R_OK) for file in files):
        yield Problem(
            f"{files[0].path} and all else that {setting} names can not be read", f"check permissions, or {setting}"
        )


def _installed(library: str) -> bool:
    return importlib.util.find_spec(library) is not None


def _chats(case: Case) -> Iterator[Problem]:
    settings = case.recipe.sft
    if not settings.enabled:
        return
    if settings.path is None:
        case.chat_bytes = forecast.chats_made(settings)
        return
    files = list(_files(case, settings.path, "sft.path"))
    case.chat_bytes = content_bytes(files)
    yield from _unusable(files, "sft.path")
    if files and any(file.bytes for file in files):
        yield from _conversations([str(file.path) for file in files])


def _conversations(paths: Sequence[str]) -> Iterator[Problem]:
    """Whether the chat files hold what can be learned from and held out; of long ones, their beginning."""
    rows = list(islice(read_conversations(paths), CHATS_READ))
    talks = {row.messages for row in rows if isinstance(row, Conversation)}
    remedy = "check sft.path: one JSON object a line with `messages`, or sft.enabled=false"
    if not talks:
        reason = next((row.reason for row in rows if not isinstance(row, Conversation)), "there is no row")
        yield Problem(f"no conversation is left of the {len(rows)} that sft.path holds first: {reason}", remedy)
    elif len(talks) < FEWEST_CHATS and len(rows) < CHATS_READ:
        yield Problem("sft.path holds a single conversation, so none can be held out", "add more conversations")


def _vocabulary(case: Case) -> Iterator[Problem]:
    """Every merge shortens the text by two tokens or more, so a short text allows few of them."""
    settings = case.recipe.tokenizer
    most = SMALLEST_VOCABULARY + min(case.text_bytes, settings.train_bytes) // 2
    if settings.kind == "bpe" and settings.load is None and case.text_bytes and settings.vocab_size > most:
        what = f"tokenizer.vocab_size is {settings.vocab_size:,}, and {case.text_bytes:,} bytes of text allow"
        yield Problem(f"{what} {most:,} at the very most", "set it lower, or tokenizer.kind=byte, or give more text")


def _libraries(case: Case) -> Iterator[Problem]:
    if "hf" in case.recipe.export.to and case.unfinished("export"):
        case.attempt(require_transformers)
    yield from ()


def _model(case: Case) -> Iterator[Problem]:
    def size() -> int:
        return saved_size(case.run_dir / TOKENIZER) or forecast.vocabulary(case.recipe.tokenizer)

    case.config = case.attempt(lambda: assemble.model_config(case.recipe.model, size()))
    yield from ()


def _weights(case: Case) -> Iterator[Problem]:
    """The weights to start from: whether they exist and are of this network. The tokenizer may be yet to be made."""
    source = case.recipe.pretrain.init_from
    if source is None or not case.unfinished("pretrain"):
        return
    try:
        manifest = located(source, stage="pretrain").manifest
        theirs = config_from_dict(manifest.model)
    except (Fault, ValueError) as error:
        remedy = error.remedy if isinstance(error, Fault) else "give the folder of a run that has trained"
        yield Problem(f"pretrain.init_from: {error}", remedy)
        return
    ours = case.attempt(lambda: assemble.model_config(case.recipe.model, theirs.vocab_size))
    if ours is not None and (odd := other_model(manifest, config_to_dict(ours), manifest.tokenizer_fingerprint)):
        yield Problem(
            f"pretrain.init_from: {source} is of another model: {words(odd)}",
            "describe that model in the recipe, or start from weights that fit this one",
        )


def _machine(case: Case) -> Iterator[Problem]:
    recipe = case.recipe
    if not case.trains:
        return
    case.device = device = case.attempt(lambda: assemble.settle_machine(recipe))
    if device is not None and recipe.precision != "auto":  # which takes a measurement, and always comes to something
        case.attempt(lambda: precision.resolve(recipe.precision, device, recipe.precision_fallback, recipe.fp8))
    yield from ()


def _memory(case: Case) -> Iterator[Problem]:
    """Against what is free now. The number format counts as the narrowest that may be chosen."""
    if case.device is None or case.config is None:
        return
    chosen = "bf16" if case.recipe.precision == "auto" else case.recipe.precision
    free = free_memory(case.device)
    needed = forecast.most_memory(case.recipe, case.config, case.device, chosen, ROOM * free).total
    if needed > ROOM * free:
        yield too_large(needed, free)


def too_large(needed: int, free: int) -> Problem:
    """Training does not fit into memory."""
    return Problem(
        f"training takes {words_for_bytes(needed)} of memory, {words_for_bytes(free)} are free",
        "set pretrain.micro_batch_rows lower, or choose a smaller model.size or model.context_length",
    )


def _disk(case: Case) -> Iterator[Problem]:
    recipe, config = case.recipe, case.config
    if config is None:
        return
    per_token = forecast.bytes_per_token(recipe.tokenizer.kind, config.vocab_size)
    tokens = {"pretrain": int(case.text_bytes / per_token), "sft": int(case.chat_bytes / per_token)}
    steps = {name: forecast.steps_of(each, tokens[name]) for name, each in forecast.trained(recipe).items()}
    if case.trains:
        yield from short_of_disk(case, forecast.disk(recipe, config, case.text_bytes, tokens, steps, {})["total"])
    budget = recipe.checkpoints.disk_budget_gb
    least = sum(
        forecast.fewest(forecast.checkpoint(config, each.optimizer.kind)) for each in forecast.trained(recipe).values()
    )
    if budget is not None and budget * 1e9 < least:
        yield Problem(
            f"checkpoints.disk_budget_gb is {budget:g}, and those that are never deleted take {least / 1e9:.1f} GB",
            f"set checkpoints.disk_budget_gb={least / 1e9 * 1.1:.1f} or more, or off",
        )


def short_of_disk(case: Case, total: int) -> Iterator[Problem]:
    """Whether the disk has room for what a run writes, less what this one has written already."""
    place = existing(case.run_dir)
    written = sum(file.stat().st_size for file in case.run_dir.rglob("*") if file.is_file())
    needed, free = max(0, total - written), shutil.disk_usage(place).free
    if free < RESERVE * needed:
        yield Problem(
            f"the run writes about {words_for_bytes(needed)}, and {words_for_bytes(free)} are free in {place}",
            "free some disk space, choose another --run-dir, or keep less: pretrain.keep, checkpoints.disk_budget_gb",
        )


def existing(path: Path) -> Path:
    """The nearest folder on the way to `path` that is there."""
    return next(parent for parent in [path.absolute(), *path.absolute().parents] if parent.exists())


def _place(case: Case) -> Iterator[Problem]:
    run_dir, place = case.run_dir, existing(case.run_dir)
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        what = "is a file, not a folder" if not place.is_dir() else "can not be written"
        yield Problem(f"{place} {what}", "choose another place with --run-dir DIR")
    elif run_dir.is_dir() and not (run_dir / IDENTITY).exists():
        case.attempt(lambda: refuse_foreign(run_dir))


def _saves(case: Case) -> Iterator[Problem]:
    """How much work is at risk between two saves."""
    limit = case.recipe.checkpoints.risk_minutes
    for name, settings in forecast.trained(case.recipe).items():
        if settings.save_steps is None and settings.save_minutes is None:
            yield Problem(
                f"{name} is not saved before its end: save_steps and save_minutes are both off",
                f"set {name}.save_minutes=10",
            )
        elif settings.save_minutes is not None and settings.save_minutes >= limit:
            yield Problem(
                f"{name} is saved every {settings.save_minutes:g} minutes, and the first save that fails would end it: "
                f"checkpoints.risk_minutes is {limit:g}",
                f"set {name}.save_minutes lower, or checkpoints.risk_minutes above it",
            )


def time_left(recipe: Recipe) -> float:
    """Seconds that a start of now has; infinite where nothing limits it."""
    return seconds_left(recipe.time_limit, time.time(), os.environ)


def _limit(case: Case) -> Iterator[Problem]:
    """Whether a start gets anything done before it has to be over."""
    if (left := time_left(case.recipe)) < TOO_SHORT:
        yield Problem(
            f"the time limit leaves {words_for_seconds(max(0.0, left))}, too little to get anything done",
            "raise time_limit, or ask the scheduler for a longer job",
        )
