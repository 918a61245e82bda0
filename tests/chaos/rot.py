"""Every kind of file that a run goes on from, with its real reader: what must see that a bit of it has turned.

A kind is read the way the pipeline does. Damage is caught when the reader says so in a Fault, or reports it; it is
harmless when the reader gives what it gave before. Anything else is missed.
"""

from __future__ import annotations

import operator
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from holdfast.base.faults import Fault
from holdfast.disk import parts
from holdfast.feed.shards import Shards
from holdfast.journal.journal import Problem, read
from holdfast.stages import assemble, horizon
from holdfast.stages.pipeline import reopen
from holdfast.stages.recipe import Recipe
from holdfast.stages.run import identity
from holdfast.stages.stage import read_record
from holdfast.text.corpus import read_split
from holdfast.text.manifest import read_manifest
from holdfast.tokenizer import store
from holdfast.tokenizer.codec import Tokenizer
from holdfast.vault.store import Vault
from holdfast.vault.verify import digests, verify

TRAINED = ("pretrain", "sft")
STAGES = ("corpus", "tokenizer", "tokens", *TRAINED, "evaluate")
SPLITS = ("train", "val")
# What people read, or programs that draw: nothing goes on from it.
FOR_PEOPLE = (
    "report.*", "lock", "tensorboard/*/*", "evaluate/samples.json", "evaluate/scores.json", "evaluate/transcripts.json",
    "corpus/rejected.jsonl", "corpus/ledger-*.jsonl", "corpus/README.md", "corpus/stats.html",
)  # fmt: skip


RECORDS = ("tokens/*/0*.json", "sft/tokens/*/0*.json", "sft/tokens/prepared.json")


def told(*problems: object) -> None:
    """Count what a reader reports as said."""
    if problems:
        raise Fault(", ".join(map(str, problems)), "what a person does about it is not asked here")


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run to be damaged, and what its readers are given besides its path.

    origins: record of a build -> what it was made from.
    """

    path: Path
    recipe: Recipe
    tokenizer: Tokenizer
    origins: dict[Path, str]

    @classmethod
    def at(cls, path: Path) -> Run:
        """As it is while it is sound."""
        records = [each for pattern in RECORDS for each in path.glob(pattern)]
        origins = {each: parts.unseal(each)["made_from"] for each in records}
        return cls(path, reopen(path).recipe, store.load(path / "tokenizer"), origins)


def checkpoints(run: Run) -> object:
    """Of all stages: the newest one, and that all others can be gone back to."""
    found = {}
    for stage in TRAINED:
        vault = Vault(run.path / stage)
        told(*(why for each in vault.everything() if (why := verify(each)) is not None))
        newest = vault.newest_valid()
        assert newest is not None
        found[stage] = (newest.path.name, digests(newest))
    return found


def marks(run: Run) -> object:
    """What was found out about checkpoints, and which one is the best by it. They may be lost, but not be others."""
    told(*(f"{stage} has no marks" for stage in TRAINED if not Vault(run.path / stage).marks()))
    return [
        (vault.marks(), best and best.path.name)
        for vault in (Vault(run.path / stage) for stage in TRAINED)
        for best in [vault.newest("best")]
    ]


def tokens(run: Run) -> object:
    """What both stages learn from, every id and every mask of it."""
    found = []
    for stage, folder in (("pretrain", run.path / "tokens"), ("sft", run.path / "sft" / "tokens")):
        context = run.recipe.model.config(run.tokenizer.vocab_size).context_length
        assemble.feeds(folder, getattr(run.recipe, stage), context, run.recipe.seed, run.tokenizer)
        for split in SPLITS:
            shards = Shards.open(folder / split, as_read=True)
            ids, places = shards.read(0, shards.tokens), np.arange(shards.tokens)
            found.append(
                (shards.fingerprint, [each.tobytes() for each in (ids, shards.lengths, shards.learned_at(places))])
            )
    return found


def unfinished_builds(run: Run) -> object:
    """Records by which a build that was killed knows its finished parts."""
    found = {path: parts.finished(path, made_from) for path, made_from in run.origins.items()}
    told(*(f"{path.name} will be made again" for path, record in found.items() if record is None))
    return found


def corpus(run: Run) -> object:
    """The documents of both sides, and what the corpus says of itself."""
    folder = run.path / "corpus"
    return read_manifest(folder), [list(read_split(folder, split)) for split in SPLITS]


def tokenizer(run: Run) -> object:
    """All that decides which ids a text gets."""
    vocabulary = store.load(run.path / "tokenizer").vocabulary
    return vocabulary.kind, vocabulary.pattern, vocabulary.tokens, vocabulary.merges, vocabulary.fingerprint


def stage_records(run: Run) -> object:
    """By which a stage counts as done; without one its folder is set aside, and that is said."""
    found = [read_record(run.path / stage) for stage in STAGES]
    told(*(f"{stage} has no record" for stage, record in zip(STAGES, found, strict=True) if record is None))
    return found


def horizons(run: Run) -> object:
    """How long each stage trains."""
    return [horizon.stored(run.path / stage) for stage in TRAINED]


def identities(run: Run) -> object:
    """Which run this is."""
    return {name: str(value) for name, value in identity(run.path).items()}


def recipes(run: Run) -> object:
    """The recipe, as `holdfast run RUN_DIR` takes it up again."""
    return reopen(run.path).recipe


def journal(run: Run) -> object:
    """Every record."""
    problems: list[Problem] = []
    records = list(read(run.path / "journal", problems))
    told(*problems)
    return records


def but_for_the_end(found: Any, sound: Any) -> bool:
    """A journal may lose its last records, as in a power loss: checkpoints and steps do not depend on them."""
    return bool(found == sound[: len(found)])


def with_more(found: Any, sound: Any) -> bool:
    """A name that turned into one that nobody knows, where what stood under it is not needed."""
    return bool(found.items() >= sound.items())


@dataclass(frozen=True, slots=True)
class Kind:
    """Files of one kind, by patterns; their reader; when what it gives is as good as what was there."""

    patterns: tuple[str, ...]
    read: Callable[[Run], object]
    same: Callable[[Any, Any], bool] = operator.eq

    def files(self, run: Path) -> list[Path]:
        """Those of a run that have anything in them."""
        found = {path for pattern in self.patterns for path in run.glob(pattern)}
        return sorted(path for path in found if path.stat().st_size)


TOKENS = tuple(f"{place}/*/*.{kind}" for place in ("tokens", "sft/tokens") for kind in ("bin", "idx", "mask"))
KINDS = {
    "manifests": Kind(("*/checkpoints/*/MANIFEST.json",), checkpoints),
    "weights": Kind(("*/checkpoints/*/model.safetensors",), checkpoints),
    "optimizers": Kind(("*/checkpoints/*/optimizer.safetensors",), checkpoints),
    "pointers": Kind(("*/latest.json", "*/best.json"), checkpoints),  # which must not depend on them
    "marks": Kind(("*/marks.json",), marks),
    "tokens": Kind(TOKENS, tokens),
    "token manifests": Kind(("tokens/*/manifest.json", "sft/tokens/*/manifest.json"), tokens),
    "records of builds": Kind((*RECORDS, "sft/tokens/heldout.jsonl"), unfinished_builds),
    "corpus": Kind(("corpus/train-*.jsonl", "corpus/val-*.jsonl"), corpus),
    "corpus manifest": Kind(("corpus/manifest.json",), corpus),
    "tokenizer": Kind(("tokenizer/tokenizer.json", "tokenizer/tokenizer_manifest.json"), tokenizer),
    "stage records": Kind(("*/stage.json",), stage_records),
    "horizons": Kind(("*/horizon.json",), horizons),
    "identity": Kind(("run.json",), identities, with_more),
    "recipe": Kind(("recipe.yaml",), recipes),
    "journal": Kind(("journal/*.jsonl",), journal, but_for_the_end),
}


@contextmanager
def flipped(path: Path, chance: random.Random) -> Iterator[str]:
    """One bit of a file turned, anywhere, for the length of the block; says where."""
    sound = path.read_bytes()
    place, bit = chance.randrange(len(sound)), chance.randrange(8)
    with _changed(path, sound, sound[:place] + bytes([sound[place] ^ 1 << bit]) + sound[place + 1 :]):
        yield f"{path}: bit {bit} of byte {place}"


@contextmanager
def truncated(path: Path, chance: random.Random) -> Iterator[str]:
    """The end of a file missing, any part of it, for the length of the block; says from where on."""
    sound = path.read_bytes()
    length = chance.randrange(len(sound))
    with _changed(path, sound, sound[:length]):
        yield f"{path}: cut down to {length} bytes"


@contextmanager
def _changed(path: Path, sound: bytes, damaged: bytes) -> Iterator[None]:
    path.write_bytes(damaged)
    try:
        yield
    finally:
        path.write_bytes(sound)


def outcome(kind: Kind, run: Run, sound: object) -> str:
    """caught, harmless, missed, or how the reader came to grief."""
    try:
        found = kind.read(run)
    except Fault as fault:
        sayable = all(line.isprintable() for line in fault.cause.splitlines())  # a recipe may have several problems
        return "caught" if sayable else f"told in the wrong words: {fault.cause!r}"
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what we are here to find
        return f"crashed: {type(error).__name__}: {error}"
    return "harmless" if kind.same(found, sound) else "missed"
