"""A run small enough to be made again and again, through the command line, in this process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from holdfast.cli.main import main
from holdfast.disk import fileops
from holdfast.journal.journal import read
from holdfast.text import harbour

RECIPE = """
extends: smoke
precision: fp32
threads: 1
corpus: {path: CORPUS}
model: {size: tiny, hidden_size: 16, num_layers: 1, num_heads: 2, num_kv_heads: 1, intermediate_size: 32,
        context_length: 32, dropout: 0.1}
pretrain: {steps: 12, batch_tokens: 128, micro_batch_rows: 2, save_steps: 3, eval_steps: 6, eval_tokens: 200,
           keep: 4, optimizer: {kind: adamw}}
sft: {steps: 6, conversations: 60, batch_tokens: 128, save_steps: 3, eval_steps: 4, eval_tokens: 200,
      optimizer: {kind: adamw}}
evaluate: {questions: 2, max_tokens: 3, bits_per_byte_tokens: 200}
export: {to: []}
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its output, for programs."""
        return json.loads(self.out)


def holdfast(*words: object, faults: str = "") -> Ended:
    """The command line with these words, and with faults injected (HOLDFAST_FAULTS)."""
    out, err = StringIO(), StringIO()
    os.environ["HOLDFAST_FAULTS"] = faults
    try:
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as left:
            main([str(word) for word in words])
    finally:
        del os.environ["HOLDFAST_FAULTS"]
        fileops.watch(None)
    return Ended(int(left.value.code or 0), out.getvalue(), err.getvalue())


@dataclass(frozen=True)
class Small:
    """The recipe, and runs that were made with it: do not change them, `copy` them.

    done: both stages. base: pretraining only, 12 steps. half: stopped at step 7 of pretraining.
    """

    recipe: Path
    done: Path
    base: Path
    half: Path

    def run(self, run_dir: Path, *words: str, faults: str = "") -> Ended:
        """Pretraining only."""
        return holdfast("run", self.recipe, "--run-dir", run_dir, "sft.enabled=false", *words, faults=faults)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """The runs that tests copy."""
    folder = tmp_path_factory.mktemp("small")
    texts = folder / "texts"
    texts.mkdir()
    for number, document in enumerate(harbour.documents(60, 1)):
        (texts / f"{number:02}.txt").write_text(document.text, "utf-8")
    recipe = folder / "small.yaml"
    recipe.write_text(RECIPE.replace("CORPUS", str(texts)), "utf-8")
    found = Small(recipe, folder / "done", folder / "base", folder / "half")
    ended = holdfast("run", recipe, "--run-dir", found.done)
    assert ended.code == 0, ended
    assert found.run(found.base).code == 0
    assert found.run(found.half, faults="term@7").code == 75
    return found


@pytest.fixture
def copy(small: Small, tmp_path: Path) -> Callable[[str], Path]:
    """Makes a copy of one of the runs that may be changed."""

    def made(name: str) -> Path:
        target = tmp_path / name
        shutil.copytree(getattr(small, name), target)
        return target

    return made


@pytest.fixture
def read_only(small: Small, tmp_path: Path) -> Iterator[Path]:
    """The half-done run on a disk that takes nothing, where the machine lets us mount one."""
    place = tmp_path / "read only"
    place.mkdir()
    bound = subprocess.run(["mount", "--bind", "-o", "ro", small.half, place], capture_output=True)
    if bound.returncode:
        pytest.skip("mounting takes rights that are not here")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Every path in a folder, with its size and the time of its last change."""
    found = {str(path.relative_to(folder)): path.lstat() for path in sorted(folder.rglob("*"))}
    return {name: (status.st_size, status.st_mtime_ns) for name, status in found.items()}


def digests(run_dir: Path, stage: str = "pretrain") -> dict[str, str]:
    """Of the newest checkpoint of a stage."""
    shown = holdfast("ckpt", "show", f"{run_dir}:{stage}", "--json")
    assert shown.code == 0, shown
    return dict(shown.json["digests"])


def events(run_dir: Path, event: str) -> list[dict[str, Any]]:
    """What the journal says of one kind of event."""
    return [record for record in read(run_dir / "journal") if record.get("event") == event]


def record(run_dir: Path, stage: str = "pretrain") -> dict[str, Any]:
    """A stage's record."""
    return dict(json.loads((run_dir / stage / "stage.json").read_text("utf-8")))
