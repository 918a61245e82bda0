"""`holdfast status`: where a run stands, read from its artefacts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from holdfast.cli.runs import existing, newest
from holdfast.cli.screen import AsJson, minutes, show_json, show_table


def status(
    run_dir: Annotated[
        Path | None, typer.Argument(metavar="[RUN]", help="Folder of a run; by default the newest under runs/.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say whether a run is at work, how far it is and how much work is at risk. Changes nothing."""
    folder = newest() if run_dir is None else existing(run_dir)
    from holdfast.stages.inspection.status import status as read

    found = read(folder)
    if as_json:
        show_json(found)
        return
    rows: list[tuple[str, object]] = [("folder", folder)]
    for key, value in found.items():
        if key == "stages":
            rows += [(f"stage {name}", _stage(each)) for name, each in value.items()]
        else:
            name = key.removesuffix("_seconds").replace("_", " ")
            rows.append((name, minutes(value) if key.endswith("_seconds") else value))
    show_table(("what", "now"), rows)


def _stage(record: Mapping[str, Any]) -> str:
    seconds = record["wall_seconds"]
    return f"{record['status']}, {minutes(seconds)}" if seconds else str(record["status"])
