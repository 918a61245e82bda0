"""Documents of a recipe, or of plain files, with what cleaning does to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from holdfast.base.explain import nearest
from holdfast.base.faults import DataFault, RecipeFault
from holdfast.base.records import Document
from holdfast.stages.recipe import resolve
from holdfast.text.clean import STEPS
from holdfast.text.meter import Meter
from holdfast.text.rejection import Rejected
from holdfast.text.rules import Rules
from holdfast.text.showing import View, unread, view
from holdfast.text.sources import documents

__all__ = ["View", "views"]

RECIPE_SUFFIXES = (".yaml", ".yml")
_IDS_TOLD = 3


def views(source: str, overrides: Sequence[str], document: str | None, step: str | None, sample: int) -> Iterator[View]:
    """The first `sample` texts of a recipe or of files, or the one called `document`, as cleaning leaves them.

    Raises Fault for a recipe that can not be used, for a step or a document that there is not.
    """
    if step is not None and step not in STEPS:
        near = nearest(step, list(STEPS))
        raise RecipeFault(f"there is no cleaning step {step}", f"did you mean {near}?" if near else ", ".join(STEPS))
    path = Path(source).expanduser()
    files = path.exists() and path.suffix not in RECIPE_SUFFIXES
    recipe = resolve("smoke", [f"corpus.path={path}", *overrides]) if files else resolve(source, overrides)
    settings, seed = recipe.recipe.corpus, recipe.recipe.seed
    rules = Rules(settings)
    found: Iterator[Document | Rejected] = (
        each for _, each in documents(settings, seed, Meter(lambda done, total: None))
    )
    if document is not None:
        found = iter([_named(document, found)])
    for each in islice(found, sample):
        yield view(each, rules, step) if isinstance(each, Document) else unread(each)


def _named(id: str, found: Iterator[Document | Rejected]) -> Document | Rejected:
    met: list[str] = []
    for each in found:
        if each.id == id:
            return each
        if len(met) < _IDS_TOLD:
            met.append(each.id)
    raise DataFault(f"there is no document {id}", f"the first are called {', '.join(met)}")
