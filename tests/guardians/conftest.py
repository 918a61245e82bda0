"""A small real run to be broken: a folder of texts, a recipe, and the command line in a process of its own."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from holdfast.text import harbour

RECIPE = """
extends: smoke
precision: fp32
corpus: {path: CORPUS}
model: {size: tiny, hidden_size: 32, num_layers: 2, num_heads: 2, num_kv_heads: 1, context_length: 64, dropout: 0.1}
pretrain: {steps: 60, batch_tokens: 512, micro_batch_rows: 4, save_steps: 7, eval_steps: 20, eval_tokens: 2000,
           sample_steps: 25}
sft: {steps: 40, conversations: 300, batch_tokens: 512, save_steps: 7, eval_steps: 20, eval_tokens: 2000}
evaluate: {questions: 20, max_tokens: 12, bits_per_byte_tokens: 4000}
export: {to: []}
"""


@dataclass(frozen=True)
class Trial:
    """Where the trial's recipe is and how to start it."""

    recipe: Path

    def start(self, run_dir: Path, *words: str) -> "subprocess.Popen[str]":
        """`holdfast run` in a process of its own."""
        return holdfast("run", str(self.recipe), "--run-dir", str(run_dir), "--quiet", *words)

    def finish(self, run_dir: Path, *words: str) -> str:
        """Run to the end; returns what was printed."""
        process = self.start(run_dir, *words)
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, out + err
        return out + err


def holdfast(*words: str) -> "subprocess.Popen[str]":
    """The command line, as a user starts it."""
    command = [sys.executable, "-c", "from holdfast.cli.main import main; main()", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def digests(run_dir: Path) -> dict[str, object]:
    """Digests of the final model and optimizer of both stages, from the command line."""
    found = {}
    for stage in ("pretrain", "sft"):
        process = holdfast("ckpt", "show", f"{run_dir}:{stage}", "--json")
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        found[stage] = json.loads(out)["digests"]
    return found


@pytest.fixture(scope="session")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    """A corpus of generated texts and the recipe that reads it."""
    folder = tmp_path_factory.mktemp("trial")
    texts = folder / "texts"
    texts.mkdir()
    for document in harbour.documents(400, 5):
        (texts / f"{document.id.replace('/', '-')}.txt").write_text(document.text, "utf-8")
    recipe = folder / "trial.yaml"
    recipe.write_text(RECIPE.replace("CORPUS", str(texts)), "utf-8")
    return Trial(recipe)


@pytest.fixture(scope="session")
def unbroken(trial: Trial, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody disturbed."""
    run_dir = tmp_path_factory.mktemp("unbroken") / "run"
    trial.finish(run_dir)
    return run_dir
