"""`holdfast bench`: ourselves beside others, on this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.base.faults import RecipeFault
from holdfast.cli.screen import AsJson, show_json, show_table

if TYPE_CHECKING:
    from holdfast.bench.bench import Bench

app = typer.Typer(
    help="Ourselves beside other trainers on this machine: in turns, in fresh processes, with a matrix probe around "
    "each run; results go to bench/results as JSON.",
    no_args_is_help=True,
)

Against = Annotated[
    list[str] | None, typer.Option("--against", metavar="NAME", help="A peer to measure beside us; again for more.")
]
Peer = Annotated[
    list[str] | None,
    typer.Option("--peer", metavar="NAME=DIR", help="The folder of a peer that is no package: nanogpt, nanochat."),
]
Python = Annotated[
    str, typer.Option("--python", metavar="FILE", help="The Python that peers are installed for; this one by default.")
]
Rounds = Annotated[int, typer.Option("--rounds", min=1, help="Rounds that have to count.")]
Work = Annotated[Path, typer.Option("--work", metavar="DIR", help="Where texts, tokens and runs are put.")]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the result is written.")]
Words = Annotated[list[str] | None, typer.Argument(metavar="SETTING=VALUE", help="Settings of ours to change.")]
Text = Annotated[Path | None, typer.Option("--text", metavar="PATH", help="Text to read; made up by default.")]

WORK, OUT = Path("runs/bench"), Path("bench/results")


def _bench(against: list[str] | None, peer: list[str] | None, python: str, rounds: int, work: Path, out: Path) -> Bench:
    from holdfast.bench.bench import Bench

    checkouts = {}
    for word in peer or []:
        name, _, folder = word.partition("=")
        if not Path(folder).is_dir() or not folder:
            raise RecipeFault(f"--peer {word}: there is no such folder", "write --peer NAME=DIR")
        checkouts[name] = str(Path(folder).resolve())
    return Bench(work, out, tuple(against or []), checkouts, python, rounds, lambda line: typer.echo(line, err=True))


def _show(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(found)
        return
    from holdfast.bench.rounds import table

    show_table(*table(found))


@app.command("train")
def train(
    words: Words = None,
    size: Annotated[str, typer.Option("--size", help="A: 4 x 256, B: 6 x 384, C: 124M GPT-2, tiny: to try.")] = "A",
    text: Text = None,
    against: Against = None,
    peer: Peer = None,
    python: Python = sys.executable,
    rounds: Rounds = 5,
    work: Work = WORK,
    out: Out = OUT,
    as_json: AsJson = False,
) -> None:
    """Tokens per second, time of a step and to the first one, and memory of all processes."""
    from holdfast.bench import train as verb

    if size not in verb.SIZES:
        raise RecipeFault(f"there is no size {size}", f"there are {', '.join(verb.SIZES)}")
    _show(verb.train(_bench(against, peer, python, rounds, work, out), size, words or [], text), as_json)


@app.command("loss")
def loss(
    text: Annotated[Path, typer.Option("--text", metavar="PATH", help="Text to train on; a part is held out.")],
    words: Words = None,
    minutes: Annotated[float, typer.Option("--minutes", min=0.05, help="Minutes of training.")] = 5.0,
    recipe: Annotated[
        list[str] | None, typer.Option("--recipe", metavar="RECIPE", help="A recipe of ours; again for more.")
    ] = None,
    attempt: Annotated[
        list[str] | None,
        typer.Option("--try", metavar="NAME:learning_rate=X,rows=Y", help="A tuning of a peer to try as well."),
    ] = None,
    against: Against = None,
    peer: Peer = None,
    python: Python = sys.executable,
    rounds: Rounds = 3,
    work: Work = WORK,
    out: Out = OUT,
    as_json: AsJson = False,
) -> None:
    """Bits per byte of held-out text after so many minutes, compilation included."""
    from holdfast.bench import loss as verb

    bench = _bench(against, peer, python, rounds, work, out)
    _show(verb.loss(bench, minutes, text, recipe or ["history"], words or [], attempt or []), as_json)


@app.command("tokenize")
def tokenize(
    text: Annotated[Path, typer.Option("--text", metavar="PATH", help="Text to encode and to learn from.")],
    against: Against = None,
    rounds: Rounds = 5,
    work: Work = WORK,
    out: Out = OUT,
    as_json: AsJson = False,
) -> None:
    """Megabytes per second, encoded and learned from. Peers: tokenizers, tiktoken, rustbpe."""
    from holdfast.bench import tokenize as verb

    _show(verb.tokenize(_bench(against, None, sys.executable, rounds, work, out), text), as_json)


State = Annotated[str, typer.Option("--size", help="The model whose state it is, see `holdfast models`.")]


@app.command("save")
def save(
    size: State = "14m", against: Against = None, rounds: Rounds = 5, work: Work = WORK, out: Out = OUT,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """What training waits for a save, and seconds until it is on the disk. Peers: torch.save, safetensors, dcp."""
    _checkpoint("save", size, against, rounds, work, out, as_json)


@app.command("load")
def load(
    size: State = "14m", against: Against = None, rounds: Rounds = 5, work: Work = WORK, out: Out = OUT,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Seconds until a saved state is in a model and its optimizer. Peers: torch.save, safetensors, dcp."""
    _checkpoint("load", size, against, rounds, work, out, as_json)


def _checkpoint(
    verb: str, size: str, against: list[str] | None, rounds: int, work: Path, out: Path, as_json: bool
) -> None:
    from holdfast.bench.state import measure

    _show(measure(verb, _bench(against, None, sys.executable, rounds, work, out), size), as_json)


@app.command("infer")
def infer(
    size: Annotated[str, typer.Option("--size", help="A: 4 x 256, B: 6 x 384, C: 124M GPT-2, tiny: to try.")] = "A",
    against: Against = None,
    python: Python = sys.executable,
    rounds: Rounds = 5,
    work: Work = WORK,
    out: Out = OUT,
    as_json: AsJson = False,
) -> None:
    """Tokens per second of text that is made, for one prompt and for eight. Peer: transformers, with our weights."""
    from holdfast.bench import generate as verb

    _show(verb.infer(_bench(against, None, python, rounds, work, out), size), as_json)


@app.command("scale")
def scale(rounds: Rounds = 3, work: Work = WORK, out: Out = OUT, as_json: AsJson = False) -> None:
    """What a start, a batch and a status cost, from 1 MB to 10 GB of text and from 10^3 to 10^6 steps."""
    from holdfast.bench import scale as verb

    found = verb.scale(_bench(None, None, sys.executable, rounds, work, out))
    if as_json:
        show_json(found)
        return
    for each in found:
        _show(each, as_json)
