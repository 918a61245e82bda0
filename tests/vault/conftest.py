"""A vault to write to."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.vault.store import Vault


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "run" / "pretrain", incarnation=1)
