"""The largest micro-batch of every size on every memory."""

from __future__ import annotations

import pytest

from holdfast.model.count import Demand, memory
from holdfast.model.portions import chunk_elements
from holdfast.model.sizes import SIZES, size_config
from holdfast.stages.planning.table import GPUS, MOST_ROWS, PRECISIONS, largest, table


def test_every_size_has_its_row_and_more_memory_never_fits_less() -> None:
    rows = table(8192)
    assert {row["size"] for row in rows} == set(SIZES)
    for row in rows:
        assert list(row["fits"]) == [*(f"{size} GB" for size in GPUS), "here"]
        for precision in PRECISIONS:
            counts = [row["fits"][f"{size} GB"][precision]["rows"] for size in GPUS]
            assert counts == sorted(counts)
        on_24 = row["fits"]["24 GB"]
        assert on_24["bf16"]["rows"] >= on_24["fp32"]["rows"]
        assert on_24["bf16"]["rows"] == 0 or on_24["bf16"]["bytes"] <= 24e9


@pytest.mark.parametrize("limit", [10**8, 10**9, 4 * 10**9])
def test_one_row_more_would_not_fit(limit: int) -> None:
    config = size_config("14m", 4096)
    fit = largest(config, limit, "fp32")
    rows = fit["rows"]
    assert rows < MOST_ROWS
    needed = [
        memory(config, Demand(each, chunk_elements("cuda", "fp32"), accumulates=True, evaluation_rows=1)).total
        for each in (max(1, rows), rows + 1)
    ]
    assert fit["bytes"] == needed[0]
    assert (needed[0] <= limit) == (rows > 0)
    assert needed[1] > limit
