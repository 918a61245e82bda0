"""Where a training stage goes on from, and what it can be held to on the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holdfast.base.faults import Fault, RecipeFault
from holdfast.disk.files import fingerprint
from holdfast.journal.journal import lineage, read
from holdfast.journal.lines import Record
from holdfast.journal.recent import opening, recent
from holdfast.stages.resuming.changes import NOT_RECORDED, Change, between, differing, other_model, words
from holdfast.stages.resuming.choice import Choice, too_short
from holdfast.stages.run import JOURNAL, Run
from holdfast.stages.stage import Wanted, read_record
from holdfast.train.state import RunState
from holdfast.vault.manifest import Manifest
from holdfast.vault.store import Checkpoint, Vault
from holdfast.vault.verify import digest

Steps = dict[int, Mapping[str, Any]]
ADOPTED = "adopted"  # the tag of a checkpoint that was gone back to


def resume(run: Run, state: RunState, vault: Vault, own: Mapping[str, Any]) -> tuple[Checkpoint | None, Steps]:
    """Become the checkpoint that was chosen, or the newest one that verifies; damaged ones are set aside, and said so.

    own: the manifest's fields that are the same for all of this stage.

    Returns the checkpoint, if there was one, and what the journal knows of the steps that will be made again. They must
    come out the same to the bit, unless something differs on which that depends; then there are none, and that is said.
    Raises RecipeFault for a checkpoint that does not belong here.
    """
    choice = run.choice if run.choice is not None and run.choice.stage == state.stage else None
    checkpoint = vault.newest_valid() if choice is None else choice.checkpoint
    for name, why in vault.rejected.items():
        run.say(f"{state.stage}: checkpoint {name} is damaged and was set aside: {why}")
    if checkpoint is None:
        return None, {}
    manifest = checkpoint.manifest
    record = read_record(run.dir / state.stage) or {}
    changes = _changes(state.stage, record, manifest, own) if choice is None or choice.own else _of_foreign(choice, own)
    _restore(state, vault, checkpoint)
    state.position = _position(state, record, manifest)
    if state.step > own["horizon"]:
        raise too_short(state.stage, state.step, own["horizon"])
    if choice is not None and checkpoint not in vault.checkpoints()[-1:]:
        checkpoint = vault.adopt(checkpoint, [ADOPTED])  # on the disk before the next step: a kill does not undo it
    now = {**own["exactness"], "precision": state.precision, "micro_batch_rows": state.micro_batch_rows}
    under = fingerprint([own["fingerprint"], now])
    steps = {} if changes else _journaled(run, state, checkpoint if choice is None else choice.checkpoint, under)
    _tell(run, state, changes)
    if differs := differences(manifest, now):
        run.say(f"{state.stage}: the steps from here on may differ in the last bits: {differs}")
        steps = {}
    run.record("event", event="resume", stage=state.stage, step=state.step, position=state.position,
               evaluated=state.evaluated, checkpoint=checkpoint.path.name, under=under)  # fmt: skip
    return checkpoint, steps


def _changes(stage: str, record: Mapping[str, Any], manifest: Manifest, own: Mapping[str, Any]) -> list[Change]:
    """What was set differently when the checkpoint was made: those before a fork are of other settings."""
    if manifest.fingerprint == own["fingerprint"]:
        return []
    now = Wanted(record.get("settings", {}), record.get("inputs", {}))
    then = _made_with(record, manifest)
    if then is None:
        return [Change(f"the settings of {stage}", NOT_RECORDED, "known", "trajectory")]
    return between(stage, then, now)


def _made_with(record: Mapping[str, Any], manifest: Manifest) -> Mapping[str, Any] | None:
    """The settings, among those that the stage was trained with so far, under which the checkpoint was made."""
    known = [record, *record.get("forks", [])]
    return next((each for each in known if each.get("fingerprint") == manifest.fingerprint), None)


def _of_foreign(choice: Choice, own: Mapping[str, Any]) -> list[Change]:
    """What differs for a checkpoint of another run. Raises RecipeFault when it is of another model or may not differ.

    What it was trained on is not known here, only whether it is the same; so the next batch is this run's, by its
    number.
    """
    manifest, name = choice.checkpoint.manifest, choice.checkpoint.path
    if odd := other_model(manifest, own["model"], own["tokenizer_fingerprint"]):
        raise RecipeFault(f"{name} is of another model: {words(odd)}", "choose a checkpoint of the same model")
    if manifest.fingerprint == own["fingerprint"]:
        return []
    then: dict[str, Any] = {
        "settings and data": manifest.fingerprint[:8],
        "seed": manifest.seed,
        "steps in all": manifest.horizon,
    }
    now = {"settings and data": own["fingerprint"][:8], "seed": own["seed"], "steps in all": own["horizon"]}
    changes = differing(then, now, "trajectory")
    if not choice.allow_change:
        raise RecipeFault(f"{name} was trained differently: {words(changes)}", "add --allow-change to go on from it")
    return changes


def _restore(state: RunState, vault: Vault, checkpoint: Checkpoint) -> None:
    tensors = vault.load(checkpoint)
    try:
        state.restore(checkpoint.manifest, tensors)
    except (KeyError, TypeError, ValueError) as error:
        raise Fault(
            f"{checkpoint.path} does not fit the model and optimizer of this run: {error}",
            "go on from a checkpoint of the same model and the same kind of optimizer",
        ) from error
    odd = [part for part, named in state.tensors().items() if digest(named) != digest(tensors[part])]
    if odd:
        raise Fault(
            f"the {odd[0]} in memory is not what was read from {checkpoint.path.name}",
            "run the same command again; if it happens twice, test the memory of this machine",
        )


def _position(state: RunState, record: Mapping[str, Any], manifest: Manifest) -> int:
    """The next batch, where the batches of the checkpoint may have had another size."""
    then, now = _made_with(record, manifest), record
    sizes = [int(each["settings"][state.stage]["batch_tokens"]) for each in (then, now) if each and "settings" in each]
    return state.position if len(sizes) < 2 else rebased(state.position, *sizes)


def rebased(position: int, was: int, size: int) -> int:
    """The place in the data behind `position` batches of size `was`, in batches of `size`. Where that falls into a
    batch, its first rows are read again rather than its last ones left out."""
    return position * was // size


def _tell(run: Run, state: RunState, changes: list[Change]) -> None:
    if changes:
        text = f"{state.stage}: goes on from step {state.step} under other settings: {words(changes)}"
        known = [change.to_dict() for change in changes]
        run.record("event", event="fork", stage=state.stage, step=state.step, changes=known, text=text)


def _journaled(run: Run, state: RunState, checkpoint: Checkpoint, under: str) -> Steps:
    """step -> its record, for the steps of this stage that lie behind the checkpoint in the line of the run. Those of
    a start that went on from it under other settings, or on another machine, are not among them.

    under: a hash of what the bits of a step depend on now, and did when the checkpoint was made.
    """
    journal = run.dir / JOURNAL
    later = read(journal, since=checkpoint.incarnation + 1)
    if any(record.get("event") == "stage_start" and record.get("stage") == state.stage for record in later):
        return {}  # the stage was begun anew since, and its earlier work was brought back: these steps are of another
    steps: Steps = {}
    alike = True
    line = recent(journal, lambda line: _reaches_behind(line, state), since=checkpoint.incarnation)
    known = {record["seq"] for record in line}
    before = [record for record in opening(journal, checkpoint.incarnation) if record["seq"] not in known]
    for record in lineage([*before, *line]):
        if record.get("stage") != state.stage:
            continue
        if record.get("event") == "resume":
            alike = record.get("under", under) == under
        elif record["kind"] == "step" and record["step"] > state.step and alike:
            steps[record["step"]] = record
    return steps


def _reaches_behind(line: list[Record], state: RunState) -> bool:
    """Whether the end of the journal goes back to a step that the state has behind it."""
    steps = (record for record in line if record["kind"] == "step" and record.get("stage") == state.stage)
    return any(record["step"] <= state.step for record in steps)


def differences(manifest: Manifest, now: Mapping[str, Any]) -> str:
    """In words, on what the last bits depend and which is not now what it was when the checkpoint was made."""
    then = {**manifest.exactness, "micro_batch_rows": manifest.micro_batch_rows}
    names = [name for name in dict.fromkeys([*now, *then]) if then.get(name) != now.get(name)]
    return ", ".join(f"{name} was {then.get(name)} and is {now.get(name)}" for name in names)
