"""`holdfast ckpt`: what is shown is what is there, and only prune changes a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.base.faults import ExitCode
from holdfast.stages.run import locked
from holdfast.vault.store import Vault

from .conftest import Small, digests, holdfast, tree

pytestmark = pytest.mark.slow

Copy = Callable[[str], Path]
KEYS = {"stage", "step", "path", "tags", "bytes", "verified", "healthy", "weights_only"}


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def test_list_shows_tags_marks_and_health(small: Small) -> None:
    rows = holdfast("ckpt", "list", small.done, "--json").json
    assert all(row.keys() == KEYS for row in rows)
    last = {row["stage"]: row for row in rows}
    assert (last["pretrain"]["step"], last["sft"]["step"]) == (12, 6)
    assert {"stage_end", "healthy"} <= set(last["pretrain"]["tags"])
    assert last["pretrain"]["healthy"]
    assert not rows[0]["healthy"], "too few steps followed it"
    assert all(row["verified"] and row["bytes"] > 0 for row in rows)
    assert [row["path"] for row in rows if row["stage"] == "sft"][-1] == "sft/checkpoints/step-00000006.i01"
    assert "step-00000012" in holdfast("ckpt", "list", small.done).out


def test_one_that_is_damaged_is_shown_as_that_and_found_by_verify(copy: Copy) -> None:
    half = copy("half")
    assert holdfast("ckpt", "verify", half).code == 0
    flip(half / "pretrain" / "checkpoints" / "step-00000006.i01" / "optimizer.safetensors")
    (half / "pretrain" / "checkpoints" / "step-00000003.i01" / "MANIFEST.json").write_text("{}")
    rows = {row["step"]: row for row in holdfast("ckpt", "list", half, "--json").json}
    assert [(row["verified"], row["healthy"], row["tags"]) for row in (rows[3], rows[6])] == [(False, False, [])] * 2
    assert rows[7]["verified"]
    ended = holdfast("ckpt", "verify", half, "--json")
    assert ended.code == ExitCode.FAILED
    assert {row["path"].split("-")[-1]: row["ok"] for row in ended.json} == {
        "00000003.i01": False,
        "00000006.i01": False,
        "00000007.i01": True,
    }
    assert all(row["why"] for row in ended.json if not row["ok"])


def test_show_names_one_by_stage_and_step_or_by_its_folder(small: Small) -> None:
    newest = holdfast("ckpt", "show", small.done, "--json").json
    assert (newest["stage"], newest["step"], newest["total_steps"], newest["tokens"]) == ("sft", 6, 6, 6 * 128)
    at = holdfast("ckpt", "show", f"{small.done}:pretrain@9", "--json").json
    assert (at["stage"], at["step"]) == ("pretrain", 9)
    assert holdfast("ckpt", "show", small.done / at["path"], "--json").json == at
    assert KEYS | {"tokens", "digests"} <= at.keys()
    assert holdfast("ckpt", "show", f"{small.done}:pretrain@8").code == ExitCode.USAGE


def test_equal_states_have_equal_digests_in_other_runs_too(small: Small) -> None:
    assert digests(small.done) == digests(small.base)
    assert digests(small.done) != digests(small.done, "sft")


def test_diff_of_the_same_state_in_two_runs(small: Small) -> None:
    ended = holdfast("ckpt", "diff", f"{small.done}:pretrain", small.base, "--json")
    assert ended.code == 0
    found = ended.json
    assert found["equal"]
    assert all(row["equal"] and row["max_abs_difference"] == 0.0 for row in found["tensors"])
    assert set(found["fields"]) <= {"created"}
    assert "equal to the bit" in holdfast("ckpt", "diff", f"{small.done}:pretrain", small.base).out


def test_diff_of_two_states_says_how_far_each_tensor_is(small: Small) -> None:
    ended = holdfast("ckpt", "diff", f"{small.base}:pretrain@9", f"{small.base}:pretrain@12", "--json")
    assert ended.code == ExitCode.FAILED
    found = ended.json
    assert found["fields"]["step"] == [9, 12]
    assert found["digests"]["model"][0] != found["digests"]["model"][1]
    vault = Vault(small.base / "pretrain")
    states = {each.step: vault.load(each) for each in vault.checkpoints()}
    assert len(found["tensors"]) == sum(len(named) for named in states[9].values())
    for row in found["tensors"]:
        one, other = (states[step][row["part"]][row["name"]] for step in (9, 12))
        assert row["max_abs_difference"] == float((one.double() - other.double()).abs().max())
        assert row["equal"] == bool((one == other).all())
    assert "tensors differ" in holdfast("ckpt", "diff", f"{small.base}:@9", f"{small.base}:@12").out


def test_diff_of_other_shapes(small: Small, tmp_path: Path) -> None:
    assert small.run(tmp_path / "wide", "model.intermediate_size=64", "pretrain.steps=2").code == 0
    rows = holdfast("ckpt", "diff", tmp_path / "wide", small.base, "--json").json["tensors"]
    odd = [row for row in rows if row["max_abs_difference"] is None]
    assert odd
    assert all(not row["equal"] and row["shapes"][0] != row["shapes"][1] for row in odd)


def test_prune_says_what_it_would_do_and_then_does_that(copy: Copy) -> None:
    base = copy("base")
    before = tree(base)
    told = holdfast("ckpt", "prune", base, "--keep", "2", "--dry-run", "--json").json
    assert tree(base) == before, "a dry run changes nothing"
    gone = [row["path"] for row in told["checkpoints"] if row["action"] == "delete"]
    assert gone == ["pretrain/checkpoints/step-00000003.i01"], "the best two and the newest two stay"
    assert told["freed_bytes"] == sum(size for name, (size, _) in before.items() if name.startswith(f"{gone[0]}/"))
    done = holdfast("ckpt", "prune", base, "--keep", "2", "--json").json
    assert done == told | {"dry_run": False}
    left = [row["path"] for row in holdfast("ckpt", "list", base, "--json").json]
    assert left == [row["path"] for row in told["checkpoints"] if row["action"] == "keep"]
    assert holdfast("ckpt", "prune", base, "--keep", "2", "--json").json["freed_bytes"] == 0
    assert holdfast("ckpt", "prune", base).out.endswith("freed 0 B\n")


def test_the_weights_of_milestones_stay_and_can_be_shown_and_started_from(small: Small, copy: Copy) -> None:
    run_dir = copy("half")
    words = ("checkpoints.milestone_steps=8", "pretrain.eval_steps=100", "pretrain.steps=20")
    assert holdfast("run", run_dir, *words, "--allow-change").code == 0
    assert holdfast("ckpt", "prune", run_dir, "--keep", "2").code == 0
    rows = {row["step"]: row for row in holdfast("ckpt", "list", run_dir, "--json").json}
    assert rows[8]["weights_only"]
    assert rows[8]["verified"]
    shown = holdfast("ckpt", "show", f"{run_dir}:pretrain@8", "--json").json
    assert shown["digests"]["optimizer"] is None
    ended = holdfast("run", run_dir, "--resume", "8")
    assert ended.code == ExitCode.USAGE
    assert "weights only" in ended.err
    assert small.run(run_dir.with_name("new"), f"pretrain.init_from={run_dir}:pretrain@8").code == 0


def test_prune_does_not_delete_while_something_is_damaged_or_somebody_is_at_work(copy: Copy) -> None:
    base = copy("base")
    with locked(base):
        ended = holdfast("ckpt", "prune", base, "--keep", "2")
    assert ended.code == ExitCode.FAILED
    assert "is in use" in ended.err
    flip(base / "pretrain" / "checkpoints" / "step-00000012.i01" / "model.safetensors")
    before = tree(base)
    ended = holdfast("ckpt", "prune", base, "--keep", "2")
    assert ended.code == ExitCode.FAILED
    assert "nothing of pretrain was deleted" in ended.err
    assert {name for name, seen in tree(base).items() if before.get(name) != seen} <= {"lock"}


@pytest.mark.parametrize(
    "words",
    [
        ("ckpt", "list", "RUN"),
        ("ckpt", "show", "RUN"),
        ("ckpt", "verify", "RUN"),
        ("ckpt", "diff", "RUN:pretrain@3", "RUN"),
        ("ckpt", "prune", "RUN", "--dry-run"),
        ("recover", "RUN"),
        ("status", "RUN"),
    ],
)
def test_verbs_that_look_create_nothing(copy: Copy, words: tuple[str, ...]) -> None:
    half = copy("half")
    before = tree(half.parent)
    ended = holdfast(*(word.replace("RUN", str(half)) for word in words))
    assert ended.code in (0, ExitCode.FAILED)
    assert not ended.err
    assert tree(half.parent) == before


def test_verbs_that_look_work_on_a_read_only_disk(read_only: Path) -> None:
    for words in (("list",), ("show",), ("verify",), ("prune", "--dry-run")):
        ended = holdfast("ckpt", words[0], read_only, *words[1:])
        assert ended.code == 0, ended
    assert holdfast("recover", read_only).code == 0
    assert holdfast("ckpt", "prune", read_only).code == ExitCode.DISK
