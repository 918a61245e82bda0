"""Which run a verb is about, and what its command line asked for."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.base.faults import RecipeFault

if TYPE_CHECKING:
    from holdfast.stages.recipe import Resolved

RUNS = Path("runs")
RECIPE = "recipe.yaml"
IDENTITY = "run.json"
REQUESTS = (signal.SIGTERM, signal.SIGUSR1)  # to stop; a Ctrl-C is heard at any time

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run, such as runs/demo.")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="SETTING=VALUE", help="Settings to change, such as pretrain.steps=200."),
]
RunDir = Annotated[Path | None, typer.Option("--run-dir", metavar="DIR", help="Where the run lives.")]


@contextmanager
def listening_later() -> Iterator[None]:
    """Let SIGTERM and SIGUSR1 wait until the run inside listens for them, and forget those that come after it.

    Loading takes seconds. A process that is asked to stop in them would end without the exit code by which a scheduler
    knows that the run is to go on.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, REQUESTS)
    try:
        yield
    finally:
        for number in REQUESTS:
            handler = signal.signal(number, signal.SIG_IGN)  # which takes back what is waiting
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def existing(run_dir: Path) -> Path:
    """The folder, if it holds a run. A bare name is also looked for under runs/. Creates nothing."""
    for folder in (run_dir, RUNS / run_dir):
        if (folder / IDENTITY).is_file():
            return folder
    found = sorted(path.parent.name for path in RUNS.glob(f"*/{IDENTITY}"))
    hint = f"there are {', '.join(str(RUNS / name) for name in found[:5])}" if found else "start one: holdfast demo"
    raise RecipeFault(f"{run_dir} holds no run", hint)


def newest() -> Path:
    """The run under runs/ that was at work last."""
    found = list(RUNS.glob(f"*/{IDENTITY}"))
    if not found:
        raise RecipeFault("there is no run under runs/", "name the folder of one, or start one: holdfast demo")
    return max((path.parent for path in found), key=_touched)


def _touched(folder: Path) -> float:
    return max(
        path.stat().st_mtime for path in (folder, folder / "journal", *folder.glob("journal/*")) if path.exists()
    )


def opened(
    source: str,
    overrides: list[str] | None,
    run_dir: Path | None,
    read: Callable[[str | Path, Sequence[str]], Resolved] | None = None,
) -> tuple[Resolved, Path]:
    """The recipe to run and the folder to run it in: a recipe gets runs/NAME or --run-dir, a run folder goes on.

    read: how to read a recipe; None: as it should be, and a fault for any that is not.
    """
    from holdfast.stages import recipe

    resolve, words = read or recipe.resolve, overrides or []
    if not Path(source).is_dir() or not (Path(source) / RECIPE).is_file():
        resolved = resolve(source, words)
        return resolved, run_dir or RUNS / resolved.recipe.name
    if run_dir is not None:
        raise RecipeFault(f"{source} is a run, and --run-dir names another folder", "leave --run-dir away")
    folder = existing(Path(source))
    return resolve(folder / RECIPE, words), folder
