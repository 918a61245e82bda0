from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.base.faults import DiskFault, ExitCode, Fault, RecipeFault, Stopped
from holdfast.cli import crash, main

VERBS = (
    *("demo", "run", "plan", "drill", "status", "report", "recover", "replay", "sample", "chat", "export"),
    *("models", "recipes", "corpus", "ckpt"),
)


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main.main(list(arguments))
    assert isinstance(left.value.code, int)
    return left.value.code


def python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, env={"PYTHONPATH": ":".join(sys.path)}
    )


def test_help_names_every_verb_and_leaves_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--help") == 0
    shown = capsys.readouterr().out
    assert all(f" {verb} " in shown for verb in VERBS)
    for verb in VERBS:
        assert call(verb, "--help") == 0


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    heavy = "{'torch', 'numpy', 'tokenizers', 'transformers', 'pydantic', 'tensorboard'}"
    code = f"""
import sys
from holdfast.cli.main import main
try:
    main(['--help'])
except SystemExit:
    print('loaded:', {heavy} & set(sys.modules))
"""
    done = python(code, tmp_path)
    assert done.stdout.endswith("loaded: set()\n"), done.stdout + done.stderr


def test_a_recipe_is_checked_without_loading_torch(tmp_path: Path) -> None:
    code = """
import sys
from holdfast.cli.main import main
try:
    main(['run', 'demo', 'sed=1'])
except SystemExit as left:
    print(left.code, 'torch' in sys.modules)
"""
    done = python(code, tmp_path)
    assert done.stdout == "2 False\n", done.stdout + done.stderr
    assert "did you mean seed?" in done.stderr
    assert not list(tmp_path.iterdir()), "a refused command leaves nothing behind"


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["run"],
        ["run", "--bogus", "demo"],
        ["run", "demo", "--resume", "latest"],
        ["run", "demo", "--resume", "best"],
        ["run", "demo", "--resume", "200"],
        ["run", "demo", "--resume", "no/such/checkpoint"],
        ["run", "demo", "--resume", "sft@20", "--allow-change"],
        ["run", "demmo"],
        ["run", "demo", "pretrain.steps"],
        ["run", "demo", "pretrain.steps=soon"],
        ["run", "smoke"],
        ["plan", "no-such.yaml"],
        ["status", "nowhere"],
        ["report", "nowhere"],
        ["sample", "nowhere"],
        ["chat", "nowhere"],
        ["ckpt", "list", "nowhere"],
        ["ckpt", "show", "nowhere:sft@x"],
        ["ckpt", "diff", "nowhere:sft@1", "nowhere:sft@2"],
        ["ckpt", "prune", "nowhere"],
        ["ckpt", "prune", "nowhere", "--keep", "1"],
        ["recover", "nowhere"],
        ["replay", "nowhere"],
        ["export", "nowhere", "out"],
        ["export", "nowhere", "out", "--to", "gguf"],
        ["corpus", "build", "corpus.path=x"],
        ["models", "--vocab", "0"],
        ["recipes", "show", "no-such"],
    ],
)
def test_a_wrong_command_leaves_with_2_and_no_traceback(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(*arguments) == ExitCode.USAGE
    told = capsys.readouterr()
    assert "Traceback" not in told.err
    assert told.err
    assert not list(tmp_path.iterdir()), "a refused command leaves nothing behind"


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (Fault("no wind", "wait"), 1),
        (RecipeFault("no wind", "wait"), 2),
        (DiskFault("no wind", "wait"), 74),
        (Stopped("no wind", "wait"), 75),
        (KeyboardInterrupt(), 75),
    ],
)
def test_a_fault_is_two_lines_and_its_exit_code(
    raised: BaseException, code: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise raised

    monkeypatch.setattr("holdfast.stages.recipe.resolve", fail)
    assert call("recipes", "show", "demo") == code
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    first, second = ("stopped: ", "  next: ") if code == ExitCode.STOPPED else ("error: ", "  fix: ")
    assert told[0].startswith(first)
    assert told[1].startswith(second)
    if isinstance(raised, Fault):
        assert told == [f"{first}no wind", f"{second}wait"]


def test_what_nobody_foresaw_goes_to_a_log_and_leaves_with_1(tmp_path: Path) -> None:
    code = """
import holdfast.stages.recipe as recipe
from holdfast.cli.main import main
def broken(*_):
    raise ZeroDivisionError('a secret\\nof two lines')
recipe.resolve = broken
main(['recipes', 'show', 'demo'])
"""
    done = python(code, tmp_path)
    assert done.returncode == 1
    first, second = done.stderr.splitlines()
    assert first == "error: ZeroDivisionError: a secret of two lines"
    log = Path(second.rsplit(" ", 1)[1])
    assert "Traceback" in log.read_text("utf-8")
    log.unlink()


def test_a_crash_of_a_run_is_kept_with_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crash, "_folder", None)
    run = tmp_path / "run"
    run.mkdir()
    crash.log_crashes_in(run)
    crash.report_crash(ValueError, ValueError("x"), None)
    (log,) = (run / "logs").iterdir()
    assert str(log) in capsys.readouterr().err
    assert "ValueError: x" in log.read_text("utf-8")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--version") == 0
    assert capsys.readouterr().out.startswith("holdfast 0.")
