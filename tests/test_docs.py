"""What the documents say is true: links lead somewhere, numbers are the recorded ones, commands run."""

import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.text import harbour
from holdfast.text.clean import SAFE, STEPS

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "decisions").glob("*.md")])
LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")
FENCE = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RECIPE = re.compile(r"^```yaml\n# (\S+\.yaml)\n(.*?)^```", re.MULTILINE | re.DOTALL)
# What makes a documented run short; it stands in for what the document says of the same setting.
SHORT = (
    "pretrain.steps=4 sft.steps=4 sft.conversations=200 corpus.max_documents=60 model.num_layers=1 "
    "corpus.documents=200 "
    "pretrain.batch_tokens=1024 sft.batch_tokens=1024 tokenizer.vocab_size=384 evaluate.questions=4 "
    "evaluate.bits_per_byte_tokens=2000 evaluate.max_tokens=8 pretrain.eval_tokens=2000 sft.eval_tokens=2000"
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = [target for target in LINK.findall(page.read_text("utf-8")) if "://" not in target]
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing


def test_the_readme_quotes_the_recorded_results() -> None:
    results = runpy.run_path(str(ROOT / "docs" / "results.py"))
    text = README.read_text("utf-8")
    assert results["with_results"](text) == text, "run `python docs/results.py write`"


def test_the_measured_speeds_are_quoted_as_they_are() -> None:
    speed = runpy.run_path(str(ROOT / "docs" / "speed.py"))
    for document, mark, made in speed["TABLES"]:
        text = document.read_text("utf-8")
        assert speed["with_table"](text, mark, made()) == text, "run `python docs/speed.py`"


def test_the_page_of_promises_quotes_the_recorded_figures() -> None:
    promises = runpy.run_path(str(ROOT / "docs" / "promises.py"))
    text = promises["PAGE"].read_text("utf-8")
    assert promises["with_table"](text) == text, "run `python docs/promises.py`"
    assert all((ROOT / promise.test).exists() for promise in promises["PROMISES"])


def test_the_fault_matrix_quotes_the_recorded_figures() -> None:
    faults = runpy.run_path(str(ROOT / "docs" / "faults.py"))
    text = faults["PAGE"].read_text("utf-8")
    assert faults["with_table"](text) == text, "run `python docs/faults.py`"


def commands(page: Path = README) -> list[str]:
    """The lines of a page's code blocks that start a program of ours, comments cut off."""
    lines = [line for block in FENCE.findall(page.read_text("utf-8")) for line in block.splitlines()]
    return [line.split("  #")[0].strip() for line in lines if line.startswith((".venv/bin/holdfast", "make "))]


def test_the_make_targets_of_the_readme_exist() -> None:
    targets = [command.split()[1] for command in commands() if command.startswith("make ")]
    assert targets == ["demo", "test"]
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


@pytest.mark.slow
def test_the_commands_of_the_readme_run(tmp_path: Path) -> None:
    ours = [command for command in commands() if command.startswith(".venv")]
    assert len(ours) >= 6
    run_all(ours, tmp_path)
    shutil.rmtree(tmp_path / "runs")


@pytest.mark.slow
def test_the_commands_of_the_page_on_own_texts_run(tmp_path: Path) -> None:
    page = ROOT / "docs" / "how-to" / "your-own-texts.md"
    for name, recipe in RECIPE.findall(page.read_text("utf-8")):
        (tmp_path / name).write_text(recipe, "utf-8")
    (tmp_path / "texts" / "tables").mkdir(parents=True)
    (tmp_path / "texts" / "tables" / "prices.txt").write_text("1 2 3\n")
    ours = commands(page)
    assert len(ours) >= 6
    run_all(ours, tmp_path)
    rejected = (tmp_path / "corpus" / "rejected.jsonl").read_text("utf-8")
    assert "switched off: a model that reads tables repeats itself" in rejected
    shutil.rmtree(tmp_path / "runs")


@pytest.mark.slow
def test_the_commands_of_the_page_on_no_network_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On one machine, where everything is there already."""
    monkeypatch.setenv("HOLDFAST_CACHE", str(tmp_path / "cache"))
    (tmp_path / "london.yaml").write_text("extends: smoke\ncorpus: {path: texts}\n", "utf-8")
    ours = commands(ROOT / "docs" / "how-to" / "no-network.md")
    assert [command.split()[1] for command in ours] == ["fetch", "fetch", "verify", "run", "run", "cache", "cache"]
    run_all(ours, tmp_path)
    assert (tmp_path / "london.tar").stat().st_size > 10_000


def test_the_commands_of_the_page_on_archives_that_ask_nobody_run(tmp_path: Path) -> None:
    ours = commands(ROOT / "docs" / "how-to" / "text-from-archives.md")
    local = [command for command in ours if command.split()[1:3] in (["sources", "list"], ["sources", "show"])]
    assert len(local) >= 2
    run_all(local, tmp_path)


def test_the_page_on_own_texts_names_the_cleaning_steps_as_they_are() -> None:
    page = (ROOT / "docs" / "how-to" / "your-own-texts.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \|.*\| (yes )?\|$", page, re.MULTILINE)
    assert rows == [(name, "yes " if name in SAFE else "") for name in STEPS]


def run_all(ours: list[str], tmp_path: Path) -> None:
    """Each one as written, in order, in an empty folder; runs are told to be short, and nothing else is changed."""
    texts = tmp_path / "texts"
    texts.mkdir(exist_ok=True)
    for number, document in enumerate(harbour.documents(80, 3)):
        (texts / f"{number}.txt").write_text(document.text, "utf-8")
    for command in ours:
        words = shlex.split(command.replace("~", str(tmp_path)))[1:]
        if words[0] in ("run", "plan"):
            short = shlex.split(SHORT)
            given = {word.split("=")[0] for word in short}
            words = [word for word in words if word.split("=")[0] not in given] + short
        process = subprocess.run(
            [sys.executable, "-m", "holdfast", *words],
            cwd=tmp_path,
            input="Hello!\n",
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert process.returncode == 0, f"{command}\n{process.stdout}{process.stderr}"
