"""What stays on the disk and in what form, what is known of it, and how a run is taken back."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from holdfast.base.faults import Fault
from holdfast.disk import fileops
from holdfast.optim.adamw import AdamW
from holdfast.vault.manifest import Damaged
from holdfast.vault.store import Checkpoint, Policy, Vault
from holdfast.vault.verify import verify
from tests.disk.watchers import Refusing
from tests.vault.states import FIELDS, TWO, flip, four_steps, listing, pointer, same, state, tagged


def test_retention_keeps_the_newest_the_best_and_the_pointers(vault: Vault) -> None:
    scores = {1: 3.0, 2: 2.0, 3: 1.0}
    for step in range(1, 9):
        tags = ["best"] if step in scores else ["interval"]
        vault.save(step, state(step), FIELDS | {"best": scores.get(step, 1.0)}, tags, TWO)
    assert [found.step for found in vault.checkpoints()] == [2, 3, 7, 8]
    assert pointer(vault, "latest")["step"] == 8
    assert pointer(vault, "best") == {
        "checkpoint": "step-00000003.i01", "step": 3, "tags": ["best"], "score": 1.0
    }  # fmt: skip


def test_what_was_found_out_later_counts_as_much_as_what_was_known(vault: Vault) -> None:
    first = vault.save(1, state(1), FIELDS | {"best": 9.0}, ["before_evaluation"])
    vault.mark(first, "best", 1.5)
    assert pointer(vault, "best") == {
        "checkpoint": "step-00000001.i01", "step": 1, "tags": ["before_evaluation", "best"], "score": 1.5
    }  # fmt: skip
    second = vault.save(2, state(2), FIELDS | {"best": 1.5}, ["interval"])
    vault.mark(second, "healthy")
    for step in range(3, 8):
        vault.save(step, state(step), FIELDS | {"best": 1.5}, ["interval"], TWO)
    assert [found.step for found in vault.checkpoints()] == [1, 2, 6, 7]
    assert vault.marks() == {first.path.name: {"best": 1.5}, second.path.name: {"healthy": None}}
    assert [tagged(vault, tag) for tag in ("best", "healthy", "signal")] == [1, 2, None]


def test_the_best_one_is_the_lowest_score_that_verifies(vault: Vault) -> None:
    for step, score in ((1, 3.0), (2, 1.0), (3, 2.0), (4, None)):
        vault.save(step, state(step), FIELDS | {"best": score}, ["best"])
    assert tagged(vault, "best") == 2
    flip(vault.root / "checkpoints" / "step-00000002.i01" / "model.safetensors", 300)
    assert tagged(vault, "best") == 3


def test_a_milestone_is_cut_down_to_its_weights_and_stays(vault: Vault) -> None:
    vault.save(1, state(1), FIELDS, ["milestone"], TWO)
    for step in range(2, 6):
        vault.save(step, state(step), FIELDS, ["interval"], TWO)
    assert [found.path.name for found in vault.everything()] == [
        "step-00000001.i01.weights", "step-00000004.i01", "step-00000005.i01"
    ]  # fmt: skip
    kept = vault.everything()[0]
    assert verify(kept) is None
    assert [path.name for path in sorted(kept.path.iterdir())] == ["MANIFEST.json", "model.safetensors"]
    assert same(vault.load(kept, ["model"]) | {"optimizer": {}}, state(1) | {"optimizer": {}})
    assert kept not in vault.checkpoints(), "nobody resumes from it"
    with pytest.raises(Fault, match="weights only"):
        vault.adopt(kept, ["signal"])


def test_of_a_state_of_adamw_a_third_is_left(vault: Vault) -> None:
    model = torch.nn.Linear(256, 256)
    optimizer = AdamW(dict(model.named_parameters()), 0.1, 0.0, (0.9, 0.95), 1e-8)
    tensors = {"model": model.state_dict(), "optimizer": optimizer.state_tensors()}
    sizes = [taken_up(vault.save(1, tensors, FIELDS, ["milestone"], TWO).path)]
    for step in (2, 3):
        vault.save(step, tensors, FIELDS, ["interval"], TWO)
    sizes.append(taken_up(vault.everything()[0].path))
    assert sizes[1] <= 0.34 * sizes[0]


def taken_up(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


def test_what_could_not_be_deleted_is_with_the_next_save(vault: Vault) -> None:
    trash = vault.root / "checkpoints" / ".trash"
    for step in (1, 2):
        vault.save(step, state(step), FIELDS, [])
    with fileops.watched(Refusing(trash, ["unlink"])):
        vault.save(3, state(3), FIELDS, [], TWO)
    assert [path.name for path in trash.iterdir()] == ["step-00000001.i01"]
    vault.save(4, state(4), FIELDS, [], TWO)
    assert list(trash.iterdir()) == []


def test_without_links_a_milestone_is_copied(vault: Vault) -> None:
    vault.save(1, state(1), FIELDS, ["milestone"], TWO)
    with fileops.watched(Refusing(vault.root, ["link"])):
        for step in (2, 3):
            vault.save(step, state(step), FIELDS, ["interval"], TWO)
    assert [(found.step, found.weights_only) for found in vault.everything()] == [(1, True), (2, False), (3, False)]
    assert [verify(found) for found in vault.everything()] == [None] * 3


def test_old_milestones_stay_whole_if_that_is_asked_for(vault: Vault) -> None:
    policy = Policy(newest=2, milestones="full")
    for step in range(1, 7):
        vault.save(step, state(step), FIELDS, ["epoch" if step in (1, 3) else "interval"], policy)
    assert [(found.step, found.weights_only) for found in vault.everything()] == [
        (1, False), (3, False), (5, False), (6, False)
    ]  # fmt: skip


def test_a_dry_look_at_retention_changes_nothing(vault: Vault) -> None:
    for step in range(1, 6):
        vault.save(step, state(step), FIELDS, ["milestone" if step == 1 else "interval"])
    before = listing(vault.root)
    planned = Vault(vault.root).retire(TWO, dry=True)
    assert (planned.delete, planned.demote) == ({"step-00000002.i01", "step-00000003.i01"}, {"step-00000001.i01"})
    assert listing(vault.root) == before
    assert vault.retire(TWO) == planned


def test_the_size_of_a_vault_is_what_its_files_take_up(vault: Vault) -> None:
    assert vault.bytes == 0
    for step in (1, 2):
        vault.save(step, state(step), FIELDS, [])
    files = [path for path in vault.root.rglob("*.safetensors") if path.is_file()]
    assert vault.bytes == sum(path.stat().st_size for path in files)


def test_a_checkpoint_that_can_not_be_described_is_evidence_and_stays(vault: Vault) -> None:
    odd = vault.save(1, state(1), FIELDS, [])
    (odd.path / "MANIFEST.json").write_text("{")
    for step in range(2, 6):
        vault.save(step, state(step), FIELDS, [], TWO)
    assert [found.step for found in vault.checkpoints()] == [1, 4, 5]


def going_back(root: Path) -> tuple[Vault, Checkpoint]:
    """`four_steps`, and a second start that is taken back to step 2."""
    four_steps(root)
    second = Vault(root, 2)
    return second, second.adopt(second.checkpoints()[1], ["adopted"])


def test_a_run_that_is_taken_back_goes_on_from_there_whatever_happens_next(tmp_path: Path) -> None:
    second, adopted = going_back(tmp_path)
    assert adopted.path.name == "step-00000002.i02"
    assert (adopted.manifest.tags, adopted.manifest.position) == (("adopted",), 2)
    assert same(second.load(adopted), state(2))
    found = Vault(tmp_path, 3).newest_valid()
    assert found is not None
    assert found.path == adopted.path
    assert pointer(second, "latest")["checkpoint"] == adopted.path.name
    assert second.adopt(adopted, ["again"]) == adopted, "it is there"


def test_what_was_known_of_the_state_holds_for_it_after_it_was_taken_back_to(tmp_path: Path) -> None:
    second, adopted = going_back(tmp_path)
    assert [tagged(second, tag) for tag in ("best", "healthy")] == [2, 2]
    for step in range(3, 8):
        second.save(step, state(10 + step), FIELDS, ["interval"], TWO)
    assert [(found.step, found.incarnation) for found in second.checkpoints()] == [(2, 2), (6, 2), (7, 2)]
    assert second.marks()[adopted.path.name] == {"best": 1.5, "healthy": None}


def test_a_future_that_did_not_happen_is_the_last_resort(tmp_path: Path) -> None:
    second, adopted = going_back(tmp_path)
    flip(adopted.path / "MANIFEST.json", 40)
    found = second.newest_valid()
    assert found is not None
    assert found.path.name == "step-00000001.i01", "behind it, rather than beside it"
    fileops.remove_tree(found.path)
    found = Vault(tmp_path, 3).newest_valid()
    assert found is not None
    assert found.path.name == "step-00000004.i01"


def test_a_state_of_another_vault_is_copied_and_is_nobody_elses(tmp_path: Path) -> None:
    other = Vault(tmp_path / "other", 1)
    theirs = other.save(7, state(7), FIELDS, ["best"])
    other.mark(theirs, "healthy")
    ours = Vault(tmp_path / "ours", 1)
    adopted = ours.adopt(theirs, ["adopted"])
    flip(theirs.path / "model.safetensors", 300)
    assert same(ours.load(adopted), state(7))
    assert ours.marks() == {}
    with pytest.raises(Damaged, match=r"model\.safetensors differs"):
        ours.adopt(theirs, ["adopted"])
