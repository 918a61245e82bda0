"""`holdfast drill`: interrupt a short version of a recipe on purpose, and see whether anything is lost."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from holdfast.base.faults import ExitCode
from holdfast.cli.runs import RUNS, Overrides, opened
from holdfast.cli.screen import AsJson, minutes, show_json, show_table

STEPS = 40
KILLS = 6
COLUMNS = ("what", "exit_code", "steps_made", "steps_saved")


def drill(
    source: Annotated[str, typer.Argument(metavar="RECIPE|RUN", help="A recipe, or the folder of a run.")],
    overrides: Overrides = None,
    kills: Annotated[int, typer.Option(min=0, metavar="N", help="Signals to send, at random moments.")] = KILLS,
    faults: Annotated[
        str, typer.Option(metavar="FAULTS", help="What else is to break, such as torn@write:9,enospc@rename:1,nan@12.")
    ] = "",
    steps: Annotated[int, typer.Option(min=2, metavar="N", help="Steps of each stage that trains.")] = STEPS,
    folder: Annotated[
        Path | None, typer.Option("--dir", metavar="DIR", help="Where the two runs go; by default runs/NAME.drill.")
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Delete the two runs if all is well.")] = False,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only the verdict.")] = False,
) -> None:
    """Prove on this machine that an interrupted run ends like an unbroken one: same model, same optimizer, every bit.

    A short version of the recipe runs twice: undisturbed, and killed, stopped and broken at random moments, gone on
    with each time. The run you name is only read. Exit code 0: it is proved, 1: it is not.
    """
    resolved, run_dir = opened(source, overrides, None)
    from holdfast.journal.sinks.bars import progress_bar
    from holdfast.launch.drill import Drill, shortened

    recipe = run_dir / "recipe.yaml" if Path(source).is_dir() else source
    place = folder or _new_folder(resolved.recipe.name)
    with progress_bar("drill", unit="steps", quiet=quiet or as_json) as progress:
        found = Drill(shortened(recipe, overrides or [], steps), place, progress).run(kills, faults)
    if remove and found["proved"]:
        shutil.rmtree(place)
        found |= {"folder": None, "runs": {}}
    if as_json:
        show_json(found)
    else:
        rows = [[struck[key] for key in COLUMNS] for struck in found["interruptions"]]
        show_table([key.replace("_", " ") for key in COLUMNS], rows)
        for line in told(found):
            typer.echo(line)
    if not found["proved"]:
        raise typer.Exit(ExitCode.FAILED)


def _new_folder(name: str) -> Path:
    taken = (RUNS / f"{name}.drill{'' if number == 1 else f'-{number}'}" for number in range(1, 10_000))
    return next(place for place in taken if not place.exists())


def told(found: Mapping[str, Any]) -> Iterator[str]:
    """The verdict in words: what was proved, or what stands against it."""
    struck = Counter(each["what"] for each in found["interruptions"])
    stages = " and ".join(found["steps"])
    if late := found["planned"] - struck.total():
        yield f"{late} of {found['planned']} interruptions came too late: the run was over"
    for stage in found["stages"]:
        for part, (one, other) in stage["digests"].items():
            if one != other:
                yield f"the {part} of {stage['stage']} differs: {one} undisturbed, {other} interrupted"
    if not found["scores_equal"]:
        yield "the evaluation gives other scores"
    seconds = " + ".join(minutes(each) for each in found["seconds"].values())
    if found["proved"]:
        times = ", ".join(f"{count} x {what}" for what, count in struck.items())
        yield (
            f"proved: interrupted {struck.total()} times ({times}) and gone on with each time, {stages} of this recipe "
            f"end with the same model, optimizer and scores to the last bit as when nobody disturbs them ({seconds})"
        )
    elif not struck:
        yield "not proved: nothing was interrupted; ask for more with --kills N or --steps N"
    else:
        yield f"not proved: an interrupted run of this recipe does not end like an unbroken one ({seconds})"
    if found["folder"]:
        yield f"the two runs: {found['folder']}"
