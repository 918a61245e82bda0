"""`holdfast cache`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from holdfast.cli.main import app
from holdfast.stages.cache import Cache
from holdfast.stages.stage import Wanted


def test_listing_and_pruning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_CACHE", str(tmp_path / "cache"))
    (tmp_path / "tokens").mkdir()
    (tmp_path / "tokens" / "00000.bin").write_bytes(bytes(3_000_000))
    Cache(tmp_path / "cache").keep("tokens", Wanted({"vocab_size": 512}, {}), tmp_path / "tokens", {})
    ask = CliRunner().invoke
    (entry,) = json.loads(ask(app, ["cache", "list", "--json"]).stdout)
    assert entry["stage"] == "tokens"
    assert entry["bytes"] == 3_000_000
    assert "3 MB" in ask(app, ["cache", "list"]).stdout
    assert json.loads(ask(app, ["cache", "prune", "--keep-gb", "1", "--json"]).stdout) == []
    assert ask(app, ["cache", "prune"]).stdout == "1 thrown away, 3 MB\n"
    assert json.loads(ask(app, ["cache", "list", "--json"]).stdout) == []
