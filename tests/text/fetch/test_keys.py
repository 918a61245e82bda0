"""A key is shown to its host and to nobody else."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.text.fetch.keys import keys_for

from .webs import says


def test_only_the_hub_sees_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    assert keys_for("https://huggingface.co/api") == {}
    monkeypatch.setenv("HF_TOKEN", " secret\n")
    assert keys_for("https://huggingface.co/api") == {"Authorization": "Bearer secret"}
    for other in ("http://huggingface.co/", "https://huggingface.co.example/", "https://cdn.huggingface.co/x"):
        assert keys_for(other) == {}
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.example/")
    assert keys_for("https://hub.example/x")
    assert keys_for("https://huggingface.co/api") == {}


def test_it_does_not_follow_a_redirect(web: Any, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("HF_ENDPOINT", web.url)
    elsewhere = web.on("/file", says(200, b"text")).replace("127.0.0.1", "localhost")
    web.on("/robots.txt", says(404))
    answer = client.get(web.on("/resolve", says(302, Location=elsewhere)))
    assert answer.body == b"text"
    assert web.of("/resolve")[0].headers["authorization"] == "Bearer secret"
    assert "authorization" not in web.of("/file")[0].headers
