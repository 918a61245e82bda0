"""A small real run to be broken over and over: the recipe, its texts made once, and a warm process that starts it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from holdfast.text import harbour

from .forkserver import ForkServer, fork_server
from .promises import TRAINED, newest

STEPS = {"pretrain": 30, "sft": 16}  # of the recipe
LOADING = 0.2  # of the life of an unbroken run goes before its first step and after its last

RECIPE = """
extends: smoke
precision: fp32
threads: 1
corpus: {path: CORPUS}
model: {size: tiny, hidden_size: 16, num_layers: 1, num_heads: 2, num_kv_heads: 1, intermediate_size: 32,
        context_length: 32, dropout: 0.1}
pretrain: {steps: 30, batch_tokens: 128, micro_batch_rows: 2, save_steps: 4, eval_steps: 7, eval_tokens: 200,
           sample_steps: 10}
sft: {steps: 16, batch_tokens: 128, micro_batch_rows: 2, save_steps: 4, eval_steps: 7, eval_tokens: 200,
      sample_steps: 10, conversations: 60, optimizer: {kind: adamw}}
evaluate: {questions: 2, max_tokens: 3, bits_per_byte_tokens: 200}
export: {to: []}
"""


@dataclass(frozen=True)
class Bench:
    """Where runs are broken.

    recipe: 30 steps of pretraining, 16 of fine-tuning, with dropout, accumulation, validations and samples.
    texts:  a run that has its tokens and was not trained yet. pretrained: one that was, and not fine-tuned.
    unbroken: one that was finished in one go, and how long that took.
    """

    server: ForkServer
    recipe: Path
    texts: Path
    pretrained: Path
    unbroken: Path
    unbroken_seconds: float

    def fresh(self, run_dir: Path) -> Path:
        """A new run that begins where training does."""
        return self.before("pretrain", run_dir)

    def before(self, stage: str, run_dir: Path) -> Path:
        """A new run in which everything before `stage` is done."""
        shutil.copytree(self.pretrained if stage == "sft" else self.texts, run_dir)
        return run_dir

    def words(self, run_dir: Path, *more: str) -> tuple[str, ...]:
        """The command that starts the run, or goes on with it."""
        return ("run", str(self.recipe), "--run-dir", str(run_dir), "--quiet", *more)

    def seconds_left(self, run_dir: Path) -> float:
        """About how long the next start of a run would live; a little more, so that the very end is in it."""
        steps = sum(checkpoint.step for stage in TRAINED if (checkpoint := newest(run_dir, stage)) is not None)
        return self.unbroken_seconds * (LOADING + 1 - steps / sum(STEPS.values()))


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """The server, the recipe, a run ready to be trained and one that nobody disturbed."""
    folder = tmp_path_factory.mktemp("chaos")
    texts = folder / "texts"
    texts.mkdir()
    for document in harbour.documents(60, 5):
        (texts / f"{document.id.replace('/', '-')}.txt").write_text(document.text, "utf-8")
    recipe = folder / "chaos.yaml"
    recipe.write_text(RECIPE.replace("CORPUS", str(texts)), "utf-8")
    with fork_server(folder / "said.log") as server:
        made = Bench(server, recipe, folder / "texts-done", folder / "pretrained", folder / "unbroken", 0.0)
        assert server.run(*made.words(made.texts, "--until", "tokens")).code == 0, server.said()
        assert server.run(*made.words(made.fresh(made.pretrained), "--until", "pretrain")).code == 0, server.said()
        outcome = server.run(*made.words(made.fresh(made.unbroken)))
        assert outcome.code == 0, server.said()
        yield replace(made, unbroken_seconds=outcome.seconds)
