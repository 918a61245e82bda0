"""What the real readers, and then a real start, make of a disk after a power loss."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from holdfast.base.faults import Fault
from holdfast.journal.journal import Journal, lineage, read
from holdfast.journal.lines import Record
from holdfast.vault.checkpoint import Checkpoint
from holdfast.vault.store import Vault
from holdfast.vault.verify import PARTS, digest, verify

from .filesystems import Tree, fingerprint
from .promises import Facts, Found
from .runs import POLICY, STAGE

ADVICE = ("latest.json", "best.json", "marks.json")


class Readers:
    """The readers of vault and journal, which know what can be right at all."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._judged: dict[bytes, tuple[str, ...] | None] = {}

    def look(self, folder: Path, tree: Tree) -> Found:
        """Read everything in a folder that holds `tree`, and change nothing."""
        vault, records = Vault(folder / STAGE), list(read(folder / "journal"))
        wrong = []
        try:
            newest = vault.newest_valid()
        except Fault as fault:
            newest = None
            wrong.append(("nothing", fault.cause))
        judged = {each.path.name: self._judge(vault, each, tree) for each in vault.everything()}
        wrong += [("mixture", text) for texts in judged.values() if texts is not None for text in texts]
        if newest is not None and not _has_history(newest, records, self._facts):
            wrong.append(("mixture", f"the journal does not have the history of {newest.path.name}"))
        wrong += [("damage", f"{path.name} is half") for path in _half(folder / STAGE)]
        keys = frozenset((record["seq"], record["time"]) for record in records)
        if alien := keys - self._facts.records:
            wrong.append(("journal", f"{len(alien)} records were never written"))
        return Found(
            newest=None if newest is None else newest.path.name,
            sound=frozenset(name for name, texts in judged.items() if texts is not None),
            damaged=frozenset(name for name, texts in judged.items() if texts is None),
            marks=frozenset((name, tag) for name, tags in vault.marks().items() for tag in tags),
            records=keys,
            wrong=tuple(wrong),
        )

    def _judge(self, vault: Vault, checkpoint: Checkpoint, tree: Tree) -> tuple[str, ...] | None:
        """How a checkpoint differs from what was saved; None when it does not verify. Equal ones are read once."""
        place = f"{STAGE}/checkpoints/{checkpoint.path.name}/"
        key = fingerprint({path: content for path, content in tree.items() if path.startswith(place)})
        if key not in self._judged:
            sound = verify(checkpoint) is None
            self._judged[key] = tuple(_differences(vault, checkpoint, self._facts)) if sound else None
        return self._judged[key]


def _differences(vault: Vault, checkpoint: Checkpoint, facts: Facts) -> Iterator[str]:
    name = checkpoint.path.name
    expected = facts.saved[name.removesuffix(".weights")]
    for part, tensors in vault.load(checkpoint, ["model"] if checkpoint.weights_only else PARTS).items():
        if digest(tensors) != getattr(expected, part):
            yield f"the {part} of {name} is not what was saved"
    if checkpoint.manifest.tokens != expected.tokens:
        yield f"{name} counts {checkpoint.manifest.tokens} tokens"


def _has_history(checkpoint: Checkpoint, records: Sequence[Record], facts: Facts) -> bool:
    """Whether its steps, in the line of the run, are those that led to it."""
    steps = [each for each in lineage(records) if each["kind"] == "step" and each["step"] <= checkpoint.step]
    return tuple(step["loss"] for step in steps) == facts.saved[checkpoint.path.name].losses


def _half(stage: Path) -> Iterator[Path]:
    for path in (stage / name for name in ADVICE):
        try:
            json.loads(path.read_bytes())
        except FileNotFoundError:
            continue
        except ValueError:
            yield path


def go_on(folder: Path) -> str | None:
    """Start on this disk: journal, resume, a save with retention. What went wrong, or None."""
    try:
        journal = Journal.open(folder / "journal")
        vault = Vault(folder / STAGE, journal.incarnation)
        found = vault.newest_valid()
        step = 1 if found is None else found.step + 1
        journal.append("step", stage=STAGE, step=step)
        journal.commit()
        table = torch.full((3, 3), float(step))
        saved = vault.save(step, {"model": {"table": table}, "optimizer": {}}, {"stage": STAGE}, ["interval"], POLICY)
        journal.close()
        again = Vault(folder / STAGE).newest_valid()
    except (Fault, OSError) as error:
        return f"the next start fails: {error}"
    if again is None or again.path != saved.path:
        return f"{saved.path.name} was saved by the next start and is not what is found"
    left = [path.name for place in (".stage", ".trash") for path in _inside(saved.path.with_name(place))]
    return f"the next start leaves {left[0]} lying" if left else None


def _inside(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []
