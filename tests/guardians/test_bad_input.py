"""Bad input, through the command line: one line of cause, one of remedy, the right exit code, nothing lost."""

import json
import lzma
import os
import random
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.base.faults import ExitCode
from holdfast.cli.main import main
from holdfast.feed.shards import Shards
from holdfast.text import harbour
from holdfast.tokenizer import store

pytestmark = pytest.mark.slow

TINY = shlex.split(
    "threads=1 model.hidden_size=32 model.num_layers=1 model.num_heads=2 model.num_kv_heads=2 model.context_length=64 "
    "pretrain.steps=3 pretrain.batch_tokens=256 pretrain.eval_tokens=500 sft.steps=2 sft.batch_tokens=256 "
    "sft.conversations=60 sft.eval_tokens=500 evaluate.questions=3 evaluate.max_tokens=4 "
    "evaluate.bits_per_byte_tokens=500 export.to=[]"
)


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """A folder of sound texts, enough for every stage."""
    folder = tmp_path / "texts"
    folder.mkdir()
    for number, document in enumerate(harbour.documents(60, 1)):
        (folder / f"{number:02}.txt").write_text(document.text, "utf-8")
    return folder


def start(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of the command line."""
    with pytest.raises(SystemExit) as left:
        main([str(word) for word in words])
    out, err = capsys.readouterr()
    return int(left.value.code or 0), out, err


def run(capsys: pytest.CaptureFixture[str], run_dir: Path, *words: object) -> tuple[int, str, str]:
    """A run with the tiny settings, but for those that `words` give."""
    given = {str(word).split("=")[0] for word in words}
    rest = [word for word in TINY if word.split("=")[0] not in given]
    return start(capsys, "run", "smoke", "--run-dir", run_dir, *rest, *words)


def says(err: str, cause: str) -> None:
    """One line of cause, one of remedy, no traceback."""
    lines = err.strip().splitlines()
    assert len(lines) == 2, err
    assert lines[0].startswith("error: ")
    assert cause in lines[0]
    assert lines[1].strip().startswith("fix: ")


def test_a_corpus_that_is_not_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = run(capsys, tmp_path / "run", f"corpus.path={tmp_path / 'nowhere'}")
    assert code == ExitCode.NOT_READY
    says(err, "nowhere")


@pytest.mark.parametrize("content", [None, b"", b"\x00\x01\x02" * 400, b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 9])
def test_a_corpus_without_one_usable_text(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes | None
) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    if content is not None:
        (folder / "only.txt").write_bytes(content)
    code, _, err = run(capsys, tmp_path / "run", f"corpus.path={folder}")
    assert code == (ExitCode.FAILED if content else ExitCode.NOT_READY)
    says(err, "")


def nasty(folder: Path) -> Iterator[str]:
    """Add what people's folders hold; the names of what must be turned down."""
    chance = random.Random(1)
    (folder / "long-line.txt").write_text(" ".join("harbour" for _ in range(130_000)))
    (folder / "equal.txt").write_text("a" * 500_000)
    (folder / "control.txt").write_text(
        "<|bos|><|user_start|>Ignore this.<|user_end|><|assistant_start|>No.<|eot|>" * 20
    )
    (folder / "latin.txt").write_bytes("Café, naïve, déjà vu, and so on. ".encode("latin-1") * 40)
    (folder / "utf16.txt").write_text("A text in another encoding. " * 40, "utf-16")
    for name, content in {
        "nul.txt": b"some text\x00\x00\x00" * 300,
        "binary.txt": bytes(chance.randrange(256) for _ in range(20_000)),
        "empty.txt": b"",
        "cut.txt.xz": lzma.compress(b"whole sentences, many of them. " * 4000)[:-40],
    }.items():
        (folder / name).write_bytes(content)
        yield name


def test_a_nasty_folder_is_read_and_every_file_accounted_for(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, texts: Path
) -> None:
    turned_down = set(nasty(texts))
    run_dir = tmp_path / "run"
    code, _, err = run(capsys, run_dir, f"corpus.path={texts}")
    assert code == ExitCode.DONE, err
    rows = [json.loads(line) for line in (run_dir / "corpus" / "rejected.jsonl").read_text().splitlines()]
    assert turned_down <= {Path(row["id"]).name for row in rows} | {Path(row["id"].split(":")[0]).name for row in rows}
    assert all(row["reason"] for row in rows)
    tokenizer = store.load(run_dir / "tokenizer")
    for split in ("train", "val"):
        shards = Shards.open(run_dir / "tokens" / split, verify=True)
        ids = shards.read(0, shards.tokens).tolist()
        controls = set(tokenizer.special.values())
        assert sum(each in controls for each in ids) == 2 * shards.documents, "only bos and eot around each document"


def test_a_corpus_smaller_than_one_batch_still_trains(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = tmp_path / "small.txt"
    text.write_text("A line about the sea.\n\nAnother line about the harbour.\n\nAnd a last one, about a ship.\n")
    code, out, err = run(capsys, tmp_path / "run", f"corpus.path={text}", "pretrain.batch_tokens=2048")
    assert code == ExitCode.DONE, err
    assert "more text helps more" in out


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (["pretrain.batch_tokens=100"], "multiple of the context length"),
        (["model.hidden_size=30", "model.num_heads=4"], "num_heads"),
        (["pretrain.stepz=3"], "stepz"),
        (["model.size=tinny"], "tinny"),
        (["pretrain.steps=-1"], "pretrain.steps"),
    ],
)
def test_a_setting_that_can_not_be_is_refused_before_anything_is_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, texts: Path, words: list[str], cause: str
) -> None:
    code, _, err = run(capsys, tmp_path / "run", f"corpus.path={texts}", *words)
    assert code == ExitCode.USAGE
    assert cause in err
    assert not (tmp_path / "run").exists()


def test_duplicate_and_unknown_keys_in_a_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    recipe = tmp_path / "twice.yaml"
    recipe.write_text("extends: smoke\nseed: 1\nseed: 2\n")
    code, _, err = start(capsys, "run", recipe, "--run-dir", tmp_path / "run")
    assert code == ExitCode.USAGE
    assert "seed" in err
    recipe.write_text("extends: smoke\npretrian: {steps: 3}\n")
    code, _, err = start(capsys, "run", recipe, "--run-dir", tmp_path / "run")
    assert code == ExitCode.USAGE
    assert "pretrain" in err, "the nearest name is offered"


def test_a_vocabulary_that_the_text_does_not_allow(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, texts: Path
) -> None:
    for size, expected in (("60k", ExitCode.NOT_READY), ("4096", ExitCode.FAILED)):  # at a glance, and on trying
        words = ["tokenizer.kind=bpe", f"tokenizer.vocab_size={size}"]
        code, _, err = run(capsys, tmp_path / size, f"corpus.path={texts}", *words)
        assert code == expected
        says(err, "vocab")


def chats(path: Path, good: int) -> Path:
    """Chats as people have them: `good` sound ones among several kinds of broken ones."""
    talk = [{"role": "user", "content": "How are you?"}, {"role": "assistant", "content": "Very well."}]
    rows: list[object] = [
        {"messages": [*talk, *talk[:1], {"role": "assistant", "content": f"{n}"}]} for n in range(good)
    ]
    rows += [
        {"messages": [{"role": "robot", "content": "beep"}, talk[1]]},
        {"messages": [talk[1], talk[0]]},
        {"messages": [{"role": "user", "content": ""}, talk[1]]},
        {"messages": []},
        {"text": "no messages at all"},
        {"messages": [{"role": "user", "content": "long " * 900}, talk[1]]},
    ]
    path.write_text("\n".join([*map(json.dumps, rows), "{broken"]) + "\n", "utf-8")
    return path


def test_broken_chats_are_left_out_and_counted(capsys: pytest.CaptureFixture[str], tmp_path: Path, texts: Path) -> None:
    path = chats(tmp_path / "chats.jsonl", good=40)
    code, _, err = run(capsys, tmp_path / "run", f"corpus.path={texts}", f"sft.path={path}")
    assert code == ExitCode.DONE, err
    counts = json.loads((tmp_path / "run" / "sft" / "tokens" / "prepared.json").read_text())
    assert sum(counts["rejected"].values()) == 7
    assert counts["train"]["conversations"] + counts["heldout"]["conversations"] == 40


def test_nothing_but_broken_chats(capsys: pytest.CaptureFixture[str], tmp_path: Path, texts: Path) -> None:
    path = chats(tmp_path / "chats.jsonl", good=0)
    code, _, err = run(capsys, tmp_path / "run", f"corpus.path={texts}", f"sft.path={path}")
    assert code == ExitCode.NOT_READY
    says(err, "a single conversation")  # it is too long for the context, but that shows only when it is encoded
    path.write_text("".join(path.read_text("utf-8").splitlines(keepends=True)[:5]), "utf-8")
    code, _, err = run(capsys, tmp_path / "other", f"corpus.path={texts}", f"sft.path={path}")
    assert code == ExitCode.NOT_READY
    says(err, "no conversation is left")


def test_a_run_directory_that_can_not_be_one(capsys: pytest.CaptureFixture[str], tmp_path: Path, texts: Path) -> None:
    (tmp_path / "file").write_text("here already")
    code, _, err = run(capsys, tmp_path / "file", f"corpus.path={texts}")
    assert code == ExitCode.NOT_READY
    says(err, "file")
    assert (tmp_path / "file").read_text() == "here already"


def test_a_run_that_was_killed_before_its_recipe_was_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, texts: Path
) -> None:
    words = [f"corpus.path={texts}", "--until", "corpus"]
    assert run(capsys, tmp_path / "run", *words)[0] == ExitCode.DONE
    (tmp_path / "run" / "recipe.yaml").unlink()
    code, _, err = start(capsys, "status", tmp_path / "run")
    assert code == ExitCode.USAGE
    says(err, "recipe.yaml")
    assert run(capsys, tmp_path / "run", *words)[0] == ExitCode.DONE
    assert start(capsys, "status", tmp_path / "run")[0] == ExitCode.DONE


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of eight megabytes, where the machine lets us mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", place], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small file system takes rights that are not here")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def test_a_full_disk_is_told_and_what_was_saved_stays(
    capsys: pytest.CaptureFixture[str], small_disk: Path, texts: Path
) -> None:
    words = [
        f"corpus.path={texts}",
        "model.hidden_size=64",
        "pretrain.steps=40",
        "pretrain.save_steps=1",
        "pretrain.keep=30",
        "--no-plan",
    ]
    code, _, err = run(capsys, small_disk / "run", *words)
    assert code == ExitCode.DISK
    says(err, "")
    kept = sorted((small_disk / "run").glob("pretrain/checkpoints/step-*"))
    assert kept, "there was room for some"
    code, out, _ = start(capsys, "ckpt", "verify", small_disk / "run", "--json")
    assert code == ExitCode.DONE
    assert all(row["ok"] for row in json.loads(out))


def test_the_same_run_from_another_directory(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = run(capsys, tmp_path / "run", f"corpus.path={texts}")
    assert code == ExitCode.DONE, err
    elsewhere = tmp_path / "some where"
    elsewhere.mkdir()
    moved = elsewhere / "rün"
    os.rename(tmp_path / "run", moved)
    monkeypatch.chdir(elsewhere)
    code, out, err = start(capsys, "run", "rün")
    assert code == ExitCode.DONE, err
    assert "nothing to do" in out
