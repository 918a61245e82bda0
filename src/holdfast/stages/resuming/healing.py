"""Going back within a run: from weights that are suspect to a checkpoint that is sound, in a start of its own."""

from __future__ import annotations

from holdfast.base.faults import Diverged
from holdfast.stages.run import Run, Silence
from holdfast.train.guard import GuardMemory, went_back
from holdfast.train.loop import Back
from holdfast.train.state import RunState
from holdfast.vault.store import Checkpoint, Vault
from holdfast.vault.verify import verify

WENT_BACK = "went_back"  # the tag of a checkpoint that was gone back to


def go_back(run: Run, state: RunState, vault: Vault, back: Back) -> tuple[Vault, Checkpoint]:
    """Become the checkpoint that `back` asks for, on the disk and in the journal before the next step is made.

    Returns the vault of the new start and the checkpoint in it. Raises Diverged where there is none to go back to.
    """
    assert not isinstance(run.journal, Silence), "only the rank that leads goes back"
    checkpoint = _sound(vault, back)
    if checkpoint is None:
        raise Diverged(
            f"{state.stage} halted at step {back.step}: {back.reason}, and no checkpoint is older than that",
            "lower the learning rate or look at the data, then run again",
        )
    then = GuardMemory.from_dict(checkpoint.manifest.guard)
    memory = went_back(then, back.memory, run.recipe.guard, back.step, back.position)
    run.journal.turn()
    vault = Vault(vault.root, run.journal.incarnation)
    adopted = vault.adopt(checkpoint, [WENT_BACK], guard=memory.to_dict())
    state.restore(adopted.manifest, vault.load(adopted))
    run.record("event", event="resume", stage=state.stage, step=state.step, position=state.position,
               evaluated=state.evaluated, checkpoint=adopted.path.name)  # fmt: skip
    factor = memory.factor(state.step)
    run.say(
        f"{state.stage}: went back from step {back.step} to {state.step}: {back.reason}; "
        f"the learning rate is multiplied by {factor:g} for a while",
        stage=state.stage,
        step=state.step,
        jumps=memory.jumps,
    )
    return vault, adopted


def _sound(vault: Vault, back: Back) -> Checkpoint | None:
    """The newest checkpoint with the tag; without one the newest from before the first suspect batch."""
    if (tagged := vault.newest(back.tag)) is not None:
        return tagged
    harm = back.position if back.memory.suspect is None else back.memory.suspect - 1
    before = [each for each in vault.checkpoints() if each.manifest.position <= harm]
    return next((each for each in reversed(before) if verify(each) is None), None)
