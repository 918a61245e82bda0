"""Looking at a model without touching it: validation and samples, in portions that fit into memory beside training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from holdfast.base.draws import draw
from holdfast.base.records import Batch, Score
from holdfast.evals.bits_per_byte import bits_per_byte
from holdfast.evals.samples import Form, write_samples
from holdfast.feed.feed import Feed
from holdfast.infer.engine import Engine
from holdfast.infer.sample import SamplingParams
from holdfast.stages.assemble import VALIDATION_ROWS, all_cores
from holdfast.stages.run import Run
from holdfast.tokenizer.codec import Tokenizer
from holdfast.train.memory import with_less
from holdfast.train.sabotage import Sabotage
from holdfast.train.signals import StopFlag
from holdfast.train.state import RunState
from holdfast.train.step import batch_loss


class Looks:
    """The looks at one stage while it trains. Where memory runs out, the portions are halved and stay so."""

    def __init__(
        self,
        run: Run,
        state: RunState,
        held_out: Feed,
        tokenizer: Tokenizer,
        tokens: int,
        prompts: Sequence[str],
        form: Form,
        sabotage: Sabotage,
    ) -> None:
        self._run, self._state, self._sabotage = run, state, sabotage
        self._held_out, self._tokenizer, self._tokens = held_out, tokenizer, tokens
        self._prompts, self._form = prompts, form
        self._rows = {"evaluate": VALIDATION_ROWS, "sample": max(1, len(prompts))}

    def evaluate(self) -> list[Score]:
        """Bits per byte on the held-out documents."""
        return [with_less("validation", self._rows["evaluate"], self._validated, self._fewer("evaluate"))]

    def sample(self) -> list[dict[str, Any]]:
        """A few texts, from prompts and with draws that are always the same."""
        return with_less("sampling", self._rows["sample"], self._sampled, self._fewer("sample"))

    def _validated(self, rows: int) -> Score:
        self._sabotage.call("evaluate")
        state = self._state
        with all_cores():
            return validation(
                state.model, state.precision, self._held_out, self._tokenizer, self._tokens, self._run.stop, rows
            )

    def _sampled(self, at_once: int) -> list[dict[str, Any]]:
        self._sabotage.call("sample")
        settings, texts = self._run.recipe.evaluate, list[dict[str, Any]]()
        params = SamplingParams(
            max_tokens=settings.max_tokens,
            temperature=settings.temperature,
            seed=draw(settings.seed, self._state.stage, "sample") % 2**31,
        )
        engine = Engine(self._state.model)
        for start in range(0, len(self._prompts), at_once):
            prompts = self._prompts[start : start + at_once]
            with all_cores():
                texts += write_samples(engine, self._tokenizer, prompts, params, self._form)
        return texts

    def _fewer(self, look: str) -> Callable[[int], None]:
        def tell(rows: int) -> None:
            self._rows[look] = rows
            self._run.say(f"{self._state.stage}: memory ran out in {look}, from now on {rows} rows at once")

        return tell


def validation(
    model: nn.Module,
    chosen: str,
    held_out: Feed,
    tokenizer: Tokenizer,
    tokens: int,
    stop: StopFlag,
    rows: int = VALIDATION_ROWS,
) -> Score:
    """Bits per byte of a model on held-out rows, in evaluation mode and without touching its mode afterwards.

    rows: measured at once. Raises Stopped as soon as somebody asks the run to stop.
    """
    was_training = model.training
    model.eval()

    def nats(batch: Batch) -> float:
        stop.check("validation")
        with torch.inference_mode():
            return float(batch_loss(model, batch, chosen))

    try:
        return bits_per_byte(nats, held_out, tokenizer.token_bytes(), tokens, rows)
    finally:
        model.train(was_training)
