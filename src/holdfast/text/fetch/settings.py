"""What a recipe may say about how files are fetched. None of it changes what a fetched file holds."""

from __future__ import annotations

from holdfast.base.settings import Count, Section, free


class FetchSettings(Section):
    """How to behave towards the servers that texts come from."""

    contact: str | None = free(
        None,
        pattern=r"^[ -~]+$",
        description="An e-mail or web address that servers are told, so that their owners can reach you.",
    )
    delay_seconds: float = free(
        1.0,
        ge=0,
        le=3600,
        description="Pause between two requests to one host; its robots.txt may ask for a longer one.",
    )
    timeout_seconds: float = free(
        30.0, gt=0, le=3600, description="How long a server may be silent before the request counts as failed."
    )
    retries: Count = free(
        4, le=20, description="How often a request that failed is made again, waiting longer each time."
    )
    longest_wait_seconds: float = free(
        600.0, ge=0, description="A server that asks for a longer wait is left for the next `holdfast fetch`."
    )
    largest_file_bytes: Count = free(
        100_000_000, ge=1, description="A larger file is not fetched, and listed as failed."
    )
    hosts: Count = free(
        4, ge=1, le=32, description="How many hosts are asked at the same time; each one file at a time."
    )
