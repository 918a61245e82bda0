"""Who watches a run: the console and the TensorBoard event files, both fed from the journal."""

from __future__ import annotations

from pathlib import Path

from holdfast.journal.earlier import step_seconds
from holdfast.journal.journal import Journal
from holdfast.journal.sinks import Fanout


def watchers(run_dir: Path, journal: Journal, quiet: bool) -> Fanout:
    """The sinks of a run that is about to start. Imported late: TensorBoard is slow to load and not always wanted."""
    from holdfast.journal.sinks.console import Console
    from holdfast.journal.sinks.tensorboard import TensorBoard

    def earlier(stage: str) -> list[float]:
        return step_seconds(journal.path.parent, stage, journal.incarnation)

    return Fanout([Console(quiet=quiet, earlier=earlier), TensorBoard(run_dir)], tell=journal.append)
