"""Sections of a recipe that join several rooms, and so belong to none of them: the model, the tokens, the chats."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from holdfast.base.settings import Count, Problem, Section, free
from holdfast.model.config import Config
from holdfast.model.sizes import size_config
from holdfast.train.settings import Positive, TrainSettings


class ModelSettings(Section):
    """Which network. A named size says everything; each setting below it changes one thing of that size."""

    family: Literal["transformer", "gpt2"] | None = Field(
        default=None, description="transformer: RMSNorm and rotary positions; gpt2: as its paper; off: that of the size"
    )
    size: str = Field(default="tiny", description="a named size, see `holdfast models`")
    context_length: Positive | None = Field(default=None, description="tokens the model sees at once")
    hidden_size: Positive | None = Field(default=None, description="width of the model")
    num_layers: Positive | None = Field(default=None, description="depth of the model, in blocks")
    num_heads: Positive | None = Field(default=None, description="attention heads per block")
    num_kv_heads: Positive | None = Field(default=None, description="heads of keys and values, shared by the others")
    intermediate_size: Positive | None = Field(default=None, description="width inside the feed-forward part")
    mlp: Literal["swiglu", "relu2"] | None = Field(default=None, description="kind of the feed-forward part")
    qk_norm: bool | None = Field(default=None, description="normalise queries and keys per head")
    tied: bool | None = Field(default=None, description="one table of token vectors for reading and for writing")
    profile: Literal["portable", "fast"] | None = Field(
        default=None,
        description="portable: what stock software loads; fast: learns more in the same time by a table of pairs of "
        "tokens, and can not be exported",
    )
    rope_theta: Annotated[float, Field(gt=0)] | None = Field(default=None, description="base of rotary positions")
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        default=None, description="part of the activations dropped in training"
    )

    def config(self, vocab_size: int) -> Config:
        """The network for a tokenizer of `vocab_size` ids. Raises ValueError when the settings do not fit together."""
        changes = self.model_dump(exclude_none=True, exclude={"size", "context_length"})
        return size_config(self.size, vocab_size, self.context_length, **changes)

    def problems(self) -> Iterator[Problem]:
        """A size that does not exist, or shapes that do not fit."""
        try:
            self.config(vocab_size=64)
        except ValueError as error:
            about = next((name for name in type(self).model_fields if re.search(rf"\b{name}\b", str(error))), "size")
            yield Problem(about, str(error), "change it, or see `holdfast models` for sizes that fit")


class TokensSettings(Section):
    """How the tokenized corpus lies on disk, and whether other runs share it."""

    shard_tokens: Positive = free(50_000_000, description="tokens per file")
    cache: Literal["auto", "require", "rebuild", "off"] = free(
        "auto",
        description="what another run made of the same text and settings (corpus, tokenizer, tokens): auto takes it, "
        "require refuses to make it, rebuild makes it anew, off neither takes nor keeps anything",
    )
    cache_gb: Annotated[float, Field(gt=0)] = free(
        50.0, description="how much is kept for other runs; what was not used for longest goes first"
    )


class PretrainSettings(TrainSettings):
    """Training on the corpus."""

    init_from: str | None = Field(
        default=None,
        description="weights to start from instead of random ones: a run's folder, RUN:STAGE, RUN:STAGE@STEP or the "
        "folder of a checkpoint; off: none",
    )
    first_weights: Literal["random", "counts"] = Field(
        default="random",
        description="what an untrained model starts from; counts: its table and its head already say which token "
        "tends to follow which in the corpus, for models of their own head (model.tied=false)",
    )

    def problems(self) -> Iterator[Problem]:
        """An untrained model is one thing, a trained one another."""
        yield from super().problems()
        if self.init_from is not None and self.first_weights != "random":
            what = f"first_weights={self.first_weights} is for untrained models, and init_from names a trained one"
            yield Problem("first_weights", what, "keep one of them")


class SftSettings(TrainSettings):
    """Training on conversations; only what the assistant says is learned."""

    enabled: bool = Field(default=True, description="false leaves the stage out: the run ends with a base model")
    path: str | list[str] | None = Field(default=None, description="chat files (JSONL with `messages`), or a pattern")
    generator: Literal["harbour"] | None = Field(default=None, description="make conversations instead of reading them")
    conversations: Count = Field(default=20_000, description="how many conversations the generator makes")
    packing: Literal["windows", "documents"] = Field(
        default="documents", description="documents keeps conversations apart; windows lets them see each other"
    )

    def problems(self) -> Iterator[Problem]:
        """Conversations come from one place."""
        if not self.enabled:
            return
        yield from super().problems()
        if self.path is None and self.generator is None:
            remedy = "give sft.path=chats.jsonl, or sft.generator=harbour, or leave SFT out with sft.enabled=false"
            yield Problem("path", "nothing says where the conversations come from", remedy)
        if self.path is not None and self.generator is not None:
            yield Problem("path", "both path and generator are given", "keep one of them")
