"""What would stop a run: each kind of it is found, none where all is well, and all of them at once."""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import psutil
import pytest
from tokenizers import ByteLevelBPETokenizer

from holdfast.base.faults import ExitCode
from holdfast.stages import tokenizer
from holdfast.stages.pipeline import STAGES
from holdfast.stages.planning.checks import Unready, examine, require_ready
from holdfast.stages.recipe import resolve

NAMES = [stage.name for stage in STAGES]
TALK = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Good day."}]}


def problems(run_dir: Path, *words: str, stages: list[str] = NAMES) -> list[str]:
    """What is in the way of the smoke recipe with these words, a line each."""
    device = [] if any(word.startswith("device=") for word in words) else ["device=cpu"]
    recipe = resolve("smoke", ["threads=1", *device, *words]).recipe
    found = examine(recipe, run_dir, stages).problems
    assert all(problem.remedy and "\n" not in problem.what for problem in found)
    return [problem.what for problem in found]


@pytest.fixture
def texts(corpus_folder: Path) -> str:
    return f"corpus.path={corpus_folder}"


def test_nothing_is_in_the_way_and_nothing_is_written(tmp_path: Path, texts: str) -> None:
    assert problems(tmp_path / "run", texts) == []
    assert not (tmp_path / "run").exists()


def test_text_that_is_not_there(tmp_path: Path, corpus_folder: Path) -> None:
    (tmp_path / "empty.txt").touch()
    found = problems(tmp_path / "run", f"corpus.path=[{tmp_path}/a, {tmp_path}/b, {corpus_folder}]")
    assert [f"{tmp_path}/{name} does not exist" for name in "ab"] == found
    assert problems(tmp_path / "run", f"corpus.path={tmp_path / 'empty.txt'}") == [
        f"{tmp_path / 'empty.txt'} and all else that corpus.path names is empty"
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_text_that_can_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("words " * 100)
    (tmp_path / "secret.txt").chmod(0)
    (what,) = problems(tmp_path / "run", f"corpus.path={tmp_path / 'secret.txt'}")
    assert "can not be read" in what


def test_a_library_that_a_format_needs(tmp_path: Path, texts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rows.parquet").write_bytes(b"PAR1" * 100)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    parquet, transformers = problems(tmp_path / "run", f"corpus.path={tmp_path / 'rows.parquet'}")
    assert "pyarrow is not installed" in parquet
    assert "transformers is not installed" in transformers
    assert problems(tmp_path / "run", texts, "export.to=[]") == []


def test_chats(tmp_path: Path, texts: str) -> None:
    path = tmp_path / "chats.jsonl"
    broken = json.dumps({"messages": []})
    for rows, told in (
        ([broken, "{"], "no conversation is left of the 2 that sft.path holds first: no messages"),
        ([json.dumps(TALK)] * 3, "sft.path holds a single conversation, so none can be held out"),
    ):
        path.write_text("\n".join(rows) + "\n")
        assert problems(tmp_path / "run", texts, f"sft.path={path}") == [told]
    other = {"messages": [TALK["messages"][0], {"role": "assistant", "content": "Hello."}]}
    with gzip.open(tmp_path / "more.jsonl.gz", "wt") as file:
        file.write("\n".join([broken, json.dumps(TALK), json.dumps(other)]))
    assert problems(tmp_path / "run", texts, f"sft.path={tmp_path / 'more.jsonl.gz'}") == []
    assert problems(tmp_path / "run", texts, f"sft.path={tmp_path / 'none'}", "sft.enabled=false") == []


def test_a_vocabulary_that_no_text_of_that_length_allows(tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("a few words\n" * 20)
    words = (f"corpus.path={tmp_path / 'short.txt'}", "tokenizer.kind=bpe", "tokenizer.vocab_size=4096")
    (what,) = problems(tmp_path / "run", *words)
    assert "tokenizer.vocab_size is 4,096" in what
    assert problems(tmp_path / "run", *words[:2], "tokenizer.vocab_size=320") == []


def test_a_device_and_a_number_format_that_are_not_here(
    tmp_path: Path, texts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert problems(tmp_path / "run", texts, "device=cuda") == ["device cuda is not available on this machine"]
    (what,) = problems(tmp_path / "run", texts, "precision=fp8")
    assert what.startswith("precision fp8 can not be had")
    assert problems(tmp_path / "run", texts, "precision=fp8", "precision_fallback=fp32") == []
    assert problems(tmp_path / "run", texts, "device=cuda", stages=["corpus", "tokens"]) == [], "which do not train"


def test_memory_that_does_not_suffice(tmp_path: Path, texts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    free = namedtuple("free", ("total", "available"))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free(10**9, 10_000_000))
    (what,) = problems(tmp_path / "run", texts)
    assert what.startswith("training takes ")


def test_disk_that_does_not_suffice(tmp_path: Path, texts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage(20_000_000))
    (what,) = problems(tmp_path / "run", texts)
    assert what.startswith("the run writes about ")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_bytes(bytes(10**9))
    assert problems(tmp_path / "run", texts) == [], "what is written already is not written again"


def test_a_disk_budget_below_what_is_never_deleted(tmp_path: Path, texts: str) -> None:
    (what,) = problems(tmp_path / "run", texts, "checkpoints.disk_budget_gb=0.001")
    assert "disk_budget_gb is 0.001" in what


def test_a_place_that_can_not_be_a_run(tmp_path: Path, texts: str, corpus_folder: Path) -> None:
    (tmp_path / "file").touch()
    assert problems(tmp_path / "file", texts) == [f"{tmp_path / 'file'} is a file, not a folder"]
    (what,) = problems(corpus_folder, texts)
    assert "not a run of ours" in what


def test_weights_to_start_from_that_are_not_there(tmp_path: Path, texts: str) -> None:
    (what,) = problems(tmp_path / "run", texts, f"pretrain.init_from={tmp_path / 'elsewhere'}")
    assert what.startswith("pretrain.init_from: ")


def test_work_that_is_never_saved_or_too_seldom(tmp_path: Path, texts: str) -> None:
    (what,) = problems(tmp_path / "run", texts, "pretrain.save_minutes=off")
    assert what.startswith("pretrain is not saved before its end")
    assert problems(tmp_path / "run", texts, "pretrain.save_minutes=off", "pretrain.save_steps=10") == []
    (what,) = problems(tmp_path / "run", texts, "sft.save_minutes=90")
    assert "the first save that fails would end it" in what


def test_a_run_refuses_with_all_of_it(tmp_path: Path, texts: str) -> None:
    recipe = resolve("smoke", [texts, "device=cpu", "pretrain.save_minutes=off", "sft.path=/nowhere/at/all"]).recipe
    with pytest.raises(Unready) as refused:
        require_ready(recipe, tmp_path / "run", NAMES)
    assert refused.value.code == ExitCode.NOT_READY
    assert len(refused.value.faults) == 2
    assert {"/nowhere/at/all does not exist"} < {fault.cause for fault in refused.value.faults}


TEN = """
extends: smoke
corpus: {path: [nowhere, rows.parquet]}
tokenizer: {kind: bpe, vocab_size: 60k}
sft: {generator: null, path: chats.jsonl, save_minutes: off}
model: {size: d32, hidden_size: null, num_layers: null, num_heads: null, num_kv_heads: null, intermediate_size: null}
pretrain: {init_from: gone, stepz: 5, batch_tokens: 1000}
device: cuda
checkpoints: {disk_budget_gb: 0.1}
"""
FAULTS = {
    "a setting that does not exist": "there is no setting pretrain.stepz",
    "a batch that is no multiple of the context": "is no multiple of the context length",
    "text that is not there": "nowhere does not exist",
    "a library that is missing": "pyarrow is not installed",
    "chats that are all broken": "no conversation is left",
    "a vocabulary that is too large": "tokenizer.vocab_size is 60,000",
    "weights that do not exist": "pretrain.init_from: gone has no checkpoint",
    "a GPU that is not there": "device cuda is not available",
    "a budget that is too small": "checkpoints.disk_budget_gb is 0.1",
    "a folder that is somebody else's": "not a run of ours",
    "work that is never saved": "sft is not saved before its end",
}
PLAN = """
import importlib.util, json, sys, time
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "pyarrow" else real(name, package)
import torch
torch.cuda.is_available = lambda: False
from holdfast.cli.main import main
began = time.perf_counter()
try:
    main(["plan", "ten.yaml", "--run-dir", "taken", "--json"])
except SystemExit as left:
    libraries = [name for name in ("datasets", "pyarrow", "pandas") if name in sys.modules]
    print(json.dumps([left.code, libraries, time.perf_counter() - began]), file=sys.stderr)
"""


@pytest.mark.slow
def test_ten_faults_are_ten_problems_at_once(tmp_path: Path) -> None:
    (tmp_path / "ten.yaml").write_text(TEN)
    (tmp_path / "rows.parquet").write_bytes(b"PAR1" * 100)
    (tmp_path / "chats.jsonl").write_text('{"messages": []}\n')
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "letter.txt").write_text("somebody else's")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", PLAN], cwd=tmp_path, capture_output=True, text=True, env=environment)
    code, libraries, seconds = json.loads(done.stderr.splitlines()[-1])
    assert (code, libraries) == (ExitCode.NOT_READY, []), done.stderr
    found = json.loads(done.stdout)
    assert not found["ready"]
    told = [problem["what"] for problem in found["problems"]]
    missing = [fault for fault, words in FAULTS.items() if not any(words in line for line in told)]
    assert not missing, told
    assert all(problem["remedy"] for problem in found["problems"])
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["letter.txt"], "nothing is written"
    print(f"{len(told)} problems in {seconds:.1f} s")


def test_a_tokenizer_to_load(tmp_path: Path, texts: str) -> None:
    words = (f"tokenizer.load={tmp_path / 'made'}", "tokenizer.kind=bpe", "tokenizer.vocab_size=999999")
    (what,) = problems(tmp_path / "run", texts, *words)
    assert "made" in what
    made = ByteLevelBPETokenizer()
    made.train_from_iterator(["the heron and the gannet"] * 9, vocab_size=260, show_progress=False)
    (tmp_path / "made").mkdir()
    made.save_model(str(tmp_path / "made"))
    assert problems(tmp_path / "run", texts, *words) == []
    before = tokenizer.settings(resolve("smoke", [texts, *words]).recipe)
    made.train_from_iterator(["a curlew"] * 9, vocab_size=259, show_progress=False)
    made.save_model(str(tmp_path / "made"))
    assert tokenizer.settings(resolve("smoke", [texts, *words]).recipe) != before, "its content counts, not its place"
