"""Keys for hosts that ask for one: from the environment, shown to that host alone, written down nowhere."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

HUB = "https://huggingface.co"


def hub() -> str:
    """The Hugging Face hub, or the one that HF_ENDPOINT names."""
    return os.environ.get("HF_ENDPOINT", HUB).rstrip("/")


def keys_for(url: str) -> dict[str, str]:
    """Headers for this address: HF_TOKEN for the hub, nothing for anybody else, wherever the hub sends us on to."""
    token = os.environ.get("HF_TOKEN", "").strip()
    ours, theirs = urlsplit(hub()), urlsplit(url)
    if not token or (ours.scheme, ours.netloc) != (theirs.scheme, theirs.netloc):
        return {}
    return {"Authorization": f"Bearer {token}"}
