"""The command line: words people type, each one call. Nothing heavy is imported before a verb runs."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

import holdfast
from holdfast.base.faults import ExitCode, Fault, Stopped
from holdfast.cli import (
    bench,
    cache,
    chat,
    ckpt,
    corpus,
    crash,
    demo,
    drill,
    export,
    fetch,
    models,
    plan,
    recipes,
    recover,
    replay,
    report,
    run,
    sample,
    sources,
    status,
    tokenizer,
    verify,
)
from holdfast.cli.screen import show_fault

SPINS = 5_000  # measured: no slower than spinning for ever on a quiet machine


class Verbs(TyperGroup):
    """The verbs, with an interrupt turned into the exit code that says so."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Stopped("interrupted", "run the same command again to go on") from None


app = typer.Typer(
    cls=Verbs,
    help="Train your own small language model, from raw text to a chat, and never lose a step.",
    no_args_is_help=True,
    add_completion=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"holdfast {holdfast.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


app.command("demo")(demo.demo)
app.command("run")(run.run)
app.command("plan")(plan.plan)
app.command("fetch")(fetch.fetch)
app.command("verify")(verify.verify)
app.command("drill")(drill.drill)
app.command("status")(status.status)
app.command("report")(report.report)
app.command("recover")(recover.recover)
app.command("replay")(replay.replay)
app.command("sample")(sample.sample)
app.command("chat")(chat.chat)
app.command("export")(export.export)
app.command("models")(models.models)
app.add_typer(recipes.app, name="recipes")
app.add_typer(corpus.app, name="corpus")
app.add_typer(sources.app, name="sources")
app.add_typer(tokenizer.app, name="tokenizer")
app.add_typer(ckpt.app, name="ckpt")
app.add_typer(cache.app, name="cache")
app.add_typer(bench.app, name="bench")


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run one verb and leave with its exit code. A Fault is shown as cause and remedy, anything else goes to a log."""
    _share_the_cores()
    sys.excepthook = crash.report_crash
    try:
        typer.main.get_command(app)(args=arguments, prog_name="holdfast")
    except Fault as fault:
        show_fault(fault)
        sys.exit(fault.code)
    sys.exit(ExitCode.DONE)


def _share_the_cores() -> None:
    """Let waiting threads spin for microseconds only, then sleep. By default they spin for long, which keeps the core
    from the very thread they wait for as soon as anything else runs on the machine; training is then ten times slower.
    Sleeping at once would cost a quarter where nothing else runs. Read when torch is loaded, so set before."""
    os.environ.setdefault("GOMP_SPINCOUNT", str(SPINS))
