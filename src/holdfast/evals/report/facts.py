"""What a report is made from: plain data that somebody else has read from a run's artefacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Everything the report knows. All of it is plain data, so the same report can be written again at any time.

    created:     when the run began.
    environment: machine, versions and the commit of the source, as one flat mapping.
    model:       the model's configuration with `parameters` (how many) and `vocab_size`; empty before there is one.
    corpus:      what the corpus holds; nested mappings become tables, lists (of files) are left out of the page.
    tokenizer:   kind, vocabulary and whatever else is worth a line.
    stages:      in order: name, status, wall_seconds.
    curves:      stage -> journal records of kind "step", those that survive in the run's lineage.
    validation:  stage -> journal records of bits per byte taken on the way: step, value, baseline.
    evals:       scores of the finished models, as the fields of `base.records.Score`, most important first.
    samples:     as `evals.samples.write_samples` returns them, each with stage and step.
    transcripts: as `evals.questions.examine` returns them.
    events:      journal records of kind "event", "decision" and "checkpoint", as they are.
    """

    run: str
    recipe_fingerprint: str
    created: str
    environment: Record
    model: Record
    corpus: Record
    tokenizer: Record
    stages: Sequence[Record]
    curves: Mapping[str, Sequence[Record]] = field(default_factory=dict)
    validation: Mapping[str, Sequence[Record]] = field(default_factory=dict)
    evals: Sequence[Record] = ()
    samples: Sequence[Record] = ()
    transcripts: Sequence[Record] = ()
    events: Sequence[Record] = ()
