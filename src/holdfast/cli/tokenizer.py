"""`holdfast tokenizer`: learn one from files, see how it cuts a text, and how it compares with others."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from holdfast.base.faults import RecipeFault
from holdfast.cli.runs import RUNS
from holdfast.cli.screen import AsJson, harmless, show_json, show_table

app = typer.Typer(help="Tokenizers by themselves.", no_args_is_help=True)
COLOURS = ("blue", "green", "magenta", "cyan", "yellow")
LINE_END = "\u21b5"  # shown before a line end, which would not be seen

Where = Annotated[
    Path, typer.Argument(metavar="RUN|DIR|FILE", help="A run, a folder with a tokenizer, or a tokenizer.json.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Errors only.")]


@app.command("train")
def train(
    texts: Annotated[Path, typer.Argument(metavar="PATH", help="A file or folder of texts.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="New folder for the tokenizer.")],
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="SETTING=VALUE", help="More settings, such as tokenizer.pattern=gpt2."),
    ] = None,
    vocab_size: Annotated[str, typer.Option("--vocab-size", metavar="N", help="Number of ids, such as 8k.")] = "8192",
    quiet: Quiet = False,
) -> None:
    """Learn a vocabulary from files as they are, without a run around it. The same files give the same tokenizer."""
    if out.exists() and any(out.iterdir() if out.is_dir() else [out]):
        raise RecipeFault(f"{out} exists and is not an empty folder", "choose a new folder: nothing is overwritten")
    from holdfast.stages.recipe import resolve

    given = [f"corpus.path={texts}", "tokenizer.kind=bpe", f"tokenizer.vocab_size={vocab_size}", *(words or [])]
    resolved = resolve("smoke", given)
    from holdfast.stages.vocabularies import learn

    line = learn(resolved.recipe, out, quiet)
    if not quiet:
        typer.echo(line)


@app.command("show")
def show(
    where: Where,
    text: Annotated[str | None, typer.Argument(metavar="TEXT", help="A text to cut; - reads it from stdin.")] = None,
    as_json: AsJson = False,
) -> None:
    """What a tokenizer is; with a TEXT, how it cuts it, a colour per token (a line per token in a pipe)."""
    from holdfast.stages.vocabularies import cut, facts

    if text is None:
        found = facts(_found(where))
        if as_json:
            show_json(found)
        else:
            show_table(("what", "is"), [(key.replace("_", " "), _shown(value)) for key, value in found.items()])
        return
    tokens = cut(_found(where), _given(text))
    if as_json:
        show_json([{"id": number, "text": spelled} for number, spelled in tokens])
    elif not sys.stdout.isatty():
        show_table(("id", "text"), [(number, repr(spelled)) for number, spelled in tokens])
    else:
        for place, (_, spelled) in enumerate(tokens):
            seen = harmless(spelled).replace("\n", f"{LINE_END}\n")
            typer.secho(seen, fg="black", bg=COLOURS[place % len(COLOURS)], nl=False)
        typer.echo(f"\n{len(tokens):,} tokens")


@app.command("encode")
def encode(
    where: Where,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The text; - reads it from stdin.")],
) -> None:
    """The ids of a text as JSON, without bos or eot."""
    from holdfast.stages.vocabularies import find

    typer.echo(str(find(_found(where)).encode(_given(text))))


@app.command("eval")
def evaluate(
    where: Where,
    text: Annotated[
        list[Path] | None, typer.Option("--text", metavar="PATH", help="Text to measure on; else a run's held-out one.")
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(
            "--against",
            metavar="PATH",
            help="Another tokenizer: a run's or ours, a tokenizer.json, a folder with vocab.json and merges.txt, "
            "a .tiktoken file. Give it again for more. Nothing is downloaded.",
        ),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """How well it suits a text: bytes per token, words in one token, what rare words take, what comes back, what is
    never used."""
    from holdfast.stages.vocabularies import compare

    found = compare(_found(where), [_found(each) for each in against or []], text or [], quiet or as_json)
    if as_json:
        show_json(found)
        return
    measures = [key for key in found[0] if key != "tokenizer"]
    rows = [(key.replace("_", " "), *(_shown(each[key]) for each in found)) for key in measures]
    show_table(("", *(each["tokenizer"] for each in found)), rows)


def _found(path: Path) -> Path:
    """The path, or the run of that name."""
    return RUNS / path if not path.exists() and (RUNS / path).exists() else path


def _given(text: str) -> str:
    return sys.stdin.read() if text == "-" else text


def _shown(value: Any) -> Any:
    if isinstance(value, dict):
        return " ".join(f"{name}={place}" for name, place in value.items())
    return round(value, 3) if isinstance(value, float) else value
