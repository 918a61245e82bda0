"""Attention inside documents by blocks of a mask is attention by the mask, and is not believed where it is not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from holdfast.model import documents
from holdfast.model.attention import attend
from holdfast.model.documents import Documents, believe, block_causal_mask, documents_mask

SEGMENTS = torch.tensor([[0] * 100 + [1] * 30 + [2] * 126, [0] * 256])


def heads(count: int, seed: int) -> Tensor:
    return torch.randn(2, count, 256, 16, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def believed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(documents, "_believed", {"cpu"})
    yield
    torch.compiler.reset()


def test_a_device_that_was_not_tried_has_a_mask() -> None:
    mask = documents_mask(SEGMENTS)
    assert isinstance(mask, Tensor)
    seen = mask[0, 0] == 0
    assert seen[120].nonzero().flatten().tolist() == list(range(100, 121))
    assert torch.equal(mask[1, 0] == 0, torch.ones(256, 256).tril().bool())


@pytest.mark.slow  # loads the compiler
@pytest.mark.filterwarnings("ignore")  # it warns of itself
@pytest.mark.usefixtures("believed")
def test_blocks_are_made_for_gradients_only_and_used_by_compiled_layers_only() -> None:
    q, k, v = heads(4, 1), heads(2, 2), heads(2, 3)
    both = documents_mask(SEGMENTS)
    assert isinstance(both, Documents)
    with torch.no_grad():
        assert isinstance(documents_mask(SEGMENTS), Tensor)
        wanted = attend(q, k, v, block_causal_mask(SEGMENTS), 0.0)
        torch.testing.assert_close(attend(q, k, v, both, 0.0), wanted, rtol=1e-5, atol=1e-5)
        graphs: list[torch.fx.GraphModule] = []

        def watched(graph: torch.fx.GraphModule, inputs: object) -> object:
            graphs.append(graph)
            return graph

        compiled = torch.compile(attend, dynamic=False, backend=watched)
        torch.testing.assert_close(compiled(q, k, v, both, 0.0), wanted, rtol=1e-5, atol=1e-5)
        assert "flex_attention" in str(graphs[0].code)
        other = Documents(SEGMENTS.flip(0))
        torch.testing.assert_close(compiled(q, k, v, other, 0.0), attend(q, k, v, other, 0.0), rtol=1e-5, atol=1e-5)
        assert len(graphs) == 1, "other documents are the same work"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_where_blocks_can_not_be_trained_with_they_are_not_believed() -> None:
    assert "backward on CPU" in str(believe(torch.device("cpu")))
    assert isinstance(documents_mask(SEGMENTS), Tensor)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_what_computes_something_else_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(q: Tensor, k: Tensor, v: Tensor, blocks: object, grouped: bool) -> Tensor:
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, enable_gqa=grouped)

    monkeypatch.setattr(documents, "_by_blocks", wrong)
    monkeypatch.setattr(torch, "compile", lambda work, **how: work)
    assert "apart from attention by a mask" in str(believe(torch.device("cpu")))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_on_a_gpu_they_are_believed() -> None:
    assert believe(torch.device("cuda")) is None
