"""`holdfast ckpt`: the checkpoints of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from holdfast.base.faults import ExitCode
from holdfast.cli.runs import RunArgument, existing
from holdfast.cli.screen import AsJson, show_json, show_table, size

app = typer.Typer(help="Checkpoints of a run. Only prune changes a file.", no_args_is_help=True)
FORM = "RUN[:STAGE[@STEP]]"
DEEDS = {"keep": "keep", "demote": "keep the weights", "delete": "delete"}
MOST_TENSORS = 20  # shown to people; --json shows all


@app.command("list")
def list_checkpoints(run_dir: RunArgument, as_json: AsJson = False) -> None:
    """Every committed checkpoint, oldest first, each read through and checked.

    A healthy one was followed by many sound steps. One of weights only can be used and exported, not trained on.
    """
    folder = existing(run_dir)
    from holdfast.stages.inspection.checkpoints import listing

    found = listing(folder)
    if as_json:
        show_json(found)
        return
    columns = ("stage", "step", "tags", "bytes", "verified", "healthy", "weights_only", "path")
    titles = [column.replace("_", " ") for column in columns]
    show_table(titles, [[_shown(column, each[column]) for column in columns] for each in found])


@app.command("show")
def show(
    where: Annotated[str, typer.Argument(metavar=FORM, help="By default the last stage's newest checkpoint.")],
    as_json: AsJson = False,
) -> None:
    """One checkpoint with the hashes of its model and of its optimizer state: equal hashes, equal state."""
    path = _named(where)
    from holdfast.stages.inspection.checkpoints import details

    found = details(path)
    if as_json:
        show_json(found)
    else:
        show_table(("what", "is"), [(key.replace("_", " "), _shown(key, value)) for key, value in found.items()])


@app.command("verify")
def verify(run_dir: RunArgument, as_json: AsJson = False) -> None:
    """Read every checkpoint against its hashes. Exit code 1 when one is damaged."""
    folder = existing(run_dir)
    from holdfast.stages.inspection.checkpoints import verified

    found = verified(folder)
    if as_json:
        show_json(found)
    else:
        show_table(("checkpoint", "whole", "why"), [(each["path"], _yes(each["ok"]), each["why"]) for each in found])
    if not all(each["ok"] for each in found):
        raise typer.Exit(ExitCode.FAILED)


@app.command("prune")
def prune(
    run_dir: RunArgument,
    keep: Annotated[
        int | None, typer.Option("--keep", min=2, metavar="N", help="How many of the newest stay, not the recipe's.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete what retention no longer holds, as training does after each save.

    The newest two, the best, the healthy and the milestones stay; see the checkpoints section of the recipe.
    """
    folder = existing(run_dir)
    from holdfast.stages.inspection.checkpoints import prune as let_go

    found = let_go(folder, keep, dry=dry_run)
    if as_json:
        show_json(found)
        return
    show_table(("checkpoint", "action"), [(each["path"], DEEDS[each["action"]]) for each in found["checkpoints"]])
    typer.echo(f"{'this would free' if dry_run else 'freed'} {size(found['freed_bytes'])}")


@app.command("diff")
def diff(
    one: Annotated[
        str, typer.Argument(metavar="A", help="RUN, RUN:STAGE, RUN:STAGE@STEP, or the folder of a checkpoint.")
    ],
    other: Annotated[str, typer.Argument(metavar="B", help="The other one.")],
    as_json: AsJson = False,
) -> None:
    """What two checkpoints differ in: facts, hashes, and how far each tensor is from the other.

    Exit code 0: model and optimizer are equal to the bit, 1: they are not.
    """
    pair = _named(one), _named(other)
    from holdfast.stages.inspection.checkpoints import difference

    found = difference(*pair)
    if as_json:
        show_json(found)
    else:
        rows = [(name, *values) for name, values in found["fields"].items()]
        rows += [(f"hash of the {part}", *values) for part, values in found["digests"].items()]
        show_table(("what", "A", "B"), rows)
        odd = [each for each in found["tensors"] if not each["equal"]]
        odd.sort(key=lambda each: -(each["max_abs_difference"] or float("inf")))
        if odd:
            typer.echo()
            shown = [(f"{each['part']} {each['name']}", each["max_abs_difference"]) for each in odd[:MOST_TENSORS]]
            show_table(("tensor", "largest difference"), shown)
        typer.echo(f"{len(odd)} of {len(found['tensors'])} tensors differ" if odd else "the state is equal to the bit")
    if not found["equal"]:
        raise typer.Exit(ExitCode.FAILED)


def _named(where: str) -> Path:
    """The folder of the checkpoint that the words name."""
    from holdfast.stages.resuming.choice import checkpoint_at, found_in, split

    if (checkpoint := checkpoint_at(Path(where))) is not None:
        return checkpoint.path
    run_dir, stage, step = split(where)
    return found_in(existing(run_dir), stage, step).path


def _shown(key: str, value: object) -> object:
    if key == "bytes" and isinstance(value, int):
        return size(value)
    if isinstance(value, bool):
        return _yes(value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {inner}" for name, inner in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _yes(value: bool) -> str:
    return "yes" if value else "no"
