"""`holdfast drill`: break a short version of a recipe on purpose, and see whether it keeps what is promised."""

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
TOLERANCE = 0.1
COLUMNS = ("what", "exit_code", "steps_made", "steps_saved")


def drill(
    source: Annotated[str, typer.Argument(metavar="RECIPE|RUN", help="A recipe, or the folder of a run.")],
    overrides: Overrides = None,
    kills: Annotated[int, typer.Option(min=0, metavar="N", help="Signals to send, at random moments.")] = KILLS,
    faults: Annotated[
        str,
        typer.Option(
            metavar="FAULTS",
            help="What else is to break, each in a run of its own: nan, inf, nan-grad, spike, lr, oom, hang, slow, "
            "kill, signal, enospc, torn, ... at a random step, or at one you choose: nan@12,torn@write:9.",
        ),
    ] = "",
    tolerance: Annotated[
        float, typer.Option(min=0, metavar="PART", help="By how much the validation of a healed run may be worse.")
    ] = TOLERANCE,
    steps: Annotated[int, typer.Option(min=2, metavar="N", help="Steps of each stage that trains.")] = STEPS,
    folder: Annotated[
        Path | None, typer.Option("--dir", metavar="DIR", help="Where the two runs go; by default runs/NAME.drill.")
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Delete the two runs if all is well.")] = False,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only the verdict.")] = False,
) -> None:
    """Prove on this machine that an interrupted run ends like an unbroken one, and that a damaged one heals.

    A short version of the recipe runs undisturbed, and again killed and stopped at random moments, gone on with each
    time: same model, same optimizer, every bit. Each of the FAULTS strikes a run of its own. One that only strikes the
    process, its files or its time leaves no trace; one that strikes the learning is healed: the run ends, its numbers
    are numbers, `replay` comes to the same bits, and its validation is about as good. The run you name is only read.
    Exit code 0: all of it is proved, 1: it is not.
    """
    resolved, run_dir = opened(source, overrides, None)
    from holdfast.journal.sinks.bars import progress_bar
    from holdfast.launch import drill as launched

    recipe = run_dir / "recipe.yaml" if Path(source).is_dir() else source
    place = folder or _new_folder(resolved.recipe.name)
    short = launched.shortened(recipe, overrides or [], steps)
    with progress_bar("drill", unit="steps", quiet=quiet or as_json) as progress:
        found = launched.drill(short, place, progress, kills, faults, tolerance)
    if remove and found["proved"]:
        shutil.rmtree(place)
        found |= {"folder": None, "runs": {}}
    if as_json:
        show_json(found)
    else:
        _show(found)
    if not found["proved"]:
        raise typer.Exit(ExitCode.FAILED)


def _show(found: Mapping[str, Any]) -> None:
    if found["interruptions"]:
        rows = [[struck[key] for key in COLUMNS] for struck in found["interruptions"]]
        show_table([key.replace("_", " ") for key in COLUMNS], rows)
    if found["faults"]:
        show_table(["fault", "led to", "exit codes", "outcome"], [row(each) for each in found["faults"]])
    for line in told(found):
        typer.echo(line)


def _new_folder(name: str) -> Path:
    taken = (RUNS / f"{name}.drill{'' if number == 1 else f'-{number}'}" for number in range(1, 10_000))
    return next(place for place in taken if not place.exists())


def row(fault: Mapping[str, Any]) -> list[str]:
    """One fault for people: what it was, what was decided, how its starts ended, what it came to."""
    led_to = ", ".join(name if count == 1 else f"{count} x {name}" for name, count in fault["led_to"].items())
    if fault["broken"]:
        outcome = f"NOT KEPT: {'; '.join(fault['broken'])}"
    elif fault["same_bits"]:
        outcome = "same bits as unbroken"
    else:
        worse = ", ".join(f"{stage} {part:+.1%}" for stage, part in fault["validation"].items())
        outcome = f"{'healed' if led_to else 'not noticed'}, replayed to the bit, bits per byte {worse}"
    return [fault["fault"], led_to or "nothing", " ".join(map(str, fault["exit_codes"])), outcome]


def told(found: Mapping[str, Any]) -> Iterator[str]:
    """The verdict in words: what was proved, or what stands against it."""
    struck = Counter(each["what"] for each in found["interruptions"])
    if late := found["planned"] - struck.total():
        yield f"{late} of {found['planned']} interruptions came too late: the run was over"
    for stage in found["stages"]:
        for part, (one, other) in stage["digests"].items():
            if one != other:
                yield f"the {part} of {stage['stage']} differs: {one} undisturbed, {other} interrupted"
    if not found["scores_equal"]:
        yield "the evaluation gives other scores"
    broken = [each["fault"] for each in found["faults"] if each["broken"]]
    if found["proved"]:
        yield _proof(found, struck)
    elif broken:
        yield f"not proved: what is promised of {', '.join(broken)} was not kept"
    elif not struck:
        yield "not proved: nothing was interrupted; ask for more with --kills N or --steps N"
    else:
        yield f"not proved: an interrupted run of this recipe does not end like an unbroken one ({_seconds(found)})"
    if found["folder"]:
        yield f"the runs: {found['folder']}"


def _proof(found: Mapping[str, Any], struck: Counter[str]) -> str:
    proofs = []
    if struck:
        times = ", ".join(f"{count} x {what}" for what, count in struck.items())
        proofs.append(
            f"interrupted {struck.total()} times ({times}) and gone on with each time, {' and '.join(found['steps'])} "
            "of this recipe end with the same model, optimizer and scores to the last bit as when nobody disturbs them"
        )
    if found["faults"]:
        same = sum(bool(each["same_bits"]) for each in found["faults"])
        proofs.append(
            f"of {len(found['faults'])} faults {same} leave no trace and {len(found['faults']) - same} are healed"
        )
    return f"proved: {'; '.join(proofs)} ({_seconds(found)})"


def _seconds(found: Mapping[str, Any]) -> str:
    return " + ".join(minutes(each) for each in found["seconds"].values())
