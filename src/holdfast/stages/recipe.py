"""The recipe: every room's section joined once, read from YAML and the command line, each value with its source."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field

import holdfast
from holdfast.base.explain import build, nearest, salvage
from holdfast.base.faults import RecipeFault
from holdfast.base.layers import RESOLVED, Layer, from_values, from_words, from_yaml, merge
from holdfast.base.settings import Count, Duration, Problem, Section, flat, free, group, identity
from holdfast.evals.settings import EvaluateSettings
from holdfast.journal.settings import AlarmSettings
from holdfast.model.config import tied
from holdfast.publish.settings import ExportSettings
from holdfast.stages.settings import ModelSettings, PretrainSettings, SftSettings, TokensSettings
from holdfast.text.settings import CorpusSettings
from holdfast.tokenizer.settings import TokenizerSettings
from holdfast.train.fp8 import Fp8Settings
from holdfast.train.settings import CheckpointSettings, GuardSettings, TrainSettings

__all__ = ["Recipe", "Resolved", "describe_shipped", "dump", "find", "identity", "resolve", "shipped", "usable"]

EXTENDS = "extends"
_COMMENT_COLUMN = 48
_PLAIN = re.compile(r"[\w./][\w./@+-]*( [\w./][\w./@+-]*)*", re.ASCII)  # texts that YAML takes without quotes

_HORIZONS = ("steps", "epochs", "tokens")
_LENGTHS = tuple(f"{stage}.{horizon}" for stage in ("pretrain", "sft") for horizon in _HORIZONS)
# A setting given later stands in for these, given earlier: one way of saying how long, one source of text.
REPLACES: dict[str, tuple[str, ...]] = {
    "budget": _LENGTHS,
    "corpus.path": ("corpus.generator",),
    "corpus.sources": ("corpus.generator",),
    "corpus.generator": ("corpus.path", "corpus.sources"),
    "sft.path": ("sft.generator",),
    "sft.generator": ("sft.path",),
    **{
        f"{stage}.{horizon}": tuple(f"{stage}.{other}" for other in _HORIZONS if other != horizon)
        for stage in ("pretrain", "sft")
        for horizon in _HORIZONS
    },
}

# What other training systems call these settings.
CALLED = {
    "batch_size": "pretrain.batch_tokens, in tokens",
    "block_size": "model.context_length",
    "device_batch_size": "pretrain.micro_batch_rows",
    "depth": "model.num_layers",
    "eval_interval": "pretrain.eval_steps",
    "grad_clip": "pretrain.clip",
    "gradient_accumulation_steps": "pretrain.micro_batch_rows: the rest follows from batch_tokens",
    "gradient_checkpointing": "pretrain.recompute: none, every_second or all",
    "init_lr": "pretrain.optimizer.learning_rate",
    "lr": "pretrain.optimizer.learning_rate",
    "lr_scheduler_type": "pretrain.schedule.kind",
    "max_grad_norm": "pretrain.clip",
    "max_iters": "pretrain.steps",
    "max_seq_len": "model.context_length",
    "max_steps": "pretrain.steps",
    "mixed_precision": "precision",
    "n_embd": "model.hidden_size",
    "n_head": "model.num_heads",
    "n_layer": "model.num_layers",
    "num_iterations": "pretrain.steps",
    "num_train_epochs": "pretrain.epochs",
    "out_dir": "--run-dir, on the command line",
    "output_dir": "--run-dir, on the command line",
    "sample_interval": "pretrain.sample_steps",
    "save_every": "pretrain.save_steps",
    "save_total_limit": "pretrain.keep",
    "total_batch_size": "pretrain.batch_tokens",
    "warmup_steps": "pretrain.schedule.warmup_fraction, a part of the steps",
    "warmup_ratio": "pretrain.schedule.warmup_fraction",
}


class Recipe(Section):
    """A whole run: what to read, what to build, how long to train, what to measure and what to write."""

    name: str = free("run", description="name of the run, and of its folder under runs/")
    description: str | None = free(None, description="one line on what the run is for")
    seed: int = Field(default=1337, ge=0, description="every random draw of the run follows from it")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        default="auto", description="where to train; auto: a GPU if any"
    )
    precision: Literal["auto", "fp32", "bf16", "fp16", "fp8"] = Field(
        default="auto", description="number format of the matrix products; auto: bf16 where it is measurably faster"
    )
    precision_fallback: Literal["bf16", "fp32"] | None = Field(
        default=None, description="what to train in where the device can not do what precision names; off: refuse"
    )
    compile: Literal["auto", "on"] | None = free(
        "auto",
        description="whether a compiler rewrites the layers (torch.compile); auto: where the planned training is long "
        "enough to earn back what trying takes, and it is measured to be faster; off: never",
    )
    threads: Count | None = free(None, ge=1, description="CPU threads of each process; off: they share the cores")
    processes: Literal["auto"] | Annotated[Count, Field(ge=1)] = free(
        "auto", description="processes that train together on this machine's CPU; auto: as many as are fastest"
    )
    kernels: Literal["auto", "off"] = free(
        "auto",
        description="what lies between the matrix products on a CPU: auto has it compiled from C, once, in a second, "
        "if there is a C compiler; off leaves it to torch",
    )
    budget: Duration | None = Field(
        default=None, description="time for the whole run; stages that do not say how long they train share it"
    )
    time_limit: Duration | None = free(
        None,
        description="time after which a start stops by itself, everything saved, to be gone on with; off: none. In a "
        "SLURM job two minutes before its end count as well",
    )
    fp8: Fp8Settings = group(Fp8Settings)
    corpus: CorpusSettings = group(CorpusSettings)
    tokenizer: TokenizerSettings = group(TokenizerSettings)
    tokens: TokensSettings = group(TokensSettings)
    model: ModelSettings = group(ModelSettings)
    pretrain: PretrainSettings = group(PretrainSettings)
    sft: SftSettings = group(SftSettings)
    checkpoints: CheckpointSettings = group(CheckpointSettings)
    guard: GuardSettings = group(GuardSettings)
    alarms: AlarmSettings = group(AlarmSettings)
    evaluate: EvaluateSettings = group(EvaluateSettings)
    export: ExportSettings = group(ExportSettings)

    @property
    def number_format(self) -> dict[str, Any]:
        """What of the number format a training stage depends on: the settings that are read."""
        chosen: dict[str, Any] = {"precision": self.precision}
        if self.precision in ("bf16", "fp16", "fp8") and self.precision_fallback is not None:
            chosen["precision_fallback"] = self.precision_fallback
        return chosen | ({"fp8": identity(self.fp8)} if self.precision == "fp8" else {})

    def problems(self) -> Iterator[Problem]:
        """What sections can not see of each other."""
        if not self.name.strip(". ") or "/" in self.name or "\\" in self.name:
            yield Problem("name", f"{self.name!r} can not name a folder", "use letters, digits and dashes")
        yield from self._text_problems()
        if self.precision == self.precision_fallback:
            what = f"{self.precision} can not fall back to itself"
            yield Problem("precision_fallback", what, "write precision_fallback=off")
        config = None if list(self.model.problems()) else self.model.config(vocab_size=64)
        context = None if config is None else config.context_length
        if config is not None and self.pretrain.first_weights == "counts" and tied(config):
            what = "counts of what follows what need a head of its own, and this model's is its table"
            yield Problem("pretrain.first_weights", what, "add model.tied=false, or pretrain.first_weights=random")
        if self.model.profile == "fast" and self.pretrain.first_weights != "counts" and not self.pretrain.init_from:
            what = "the profile fast has a table of pairs of tokens, and which they are is counted"
            yield Problem("model.profile", what, "add pretrain.first_weights=counts and model.tied=false")
        if self.model.profile == "fast" and self.export.to:
            what = "a model of the profile fast has parts that no stock class has"
            yield Problem("export.to", what, "add export.to=[], or model.profile=portable")
        for stage in ("pretrain", "sft") if self.sft.enabled else ("pretrain",):
            yield from self._stage_problems(stage, getattr(self, stage), context)

    def _text_problems(self) -> Iterator[Problem]:
        read = [name for name in ("path", "sources") if getattr(self.corpus, name) is not None]
        if not read and self.corpus.generator is None:
            yield Problem("corpus.path", "nothing says where the text comes from", "add corpus.path=FOLDER_OR_FILE")
        elif read and self.corpus.generator is not None:
            yield Problem(f"corpus.{read[0]}", f"both {read[0]} and generator are given", "keep one of them")

    def _stage_problems(self, stage: str, settings: TrainSettings, context: int | None) -> Iterator[Problem]:
        if not settings.horizons() and self.budget is None:
            remedy = f"add {stage}.steps=N, or a budget for the whole run: budget=30min"
            yield Problem(f"{stage}.steps", "nothing says how long to train", remedy)
        if context is None:
            return
        rows, rest = divmod(settings.batch_tokens, context)
        if rest:
            near = ", ".join(str(count * context) for count in (rows, rows + 1) if count)
            what = f"{settings.batch_tokens} is no multiple of the context length, {context}"
            yield Problem(f"{stage}.batch_tokens", what, f"use {near}, or another multiple")
        elif settings.micro_batch_rows is not None and settings.micro_batch_rows > rows:
            what = f"{settings.micro_batch_rows} rows are more than the {rows} of a batch"
            yield Problem(f"{stage}.micro_batch_rows", what, "lower it, or write off for the whole batch at once")


@dataclass(frozen=True, slots=True)
class Resolved:
    """A checked recipe and, for the dotted path of every setting, where its value came from."""

    recipe: Recipe
    sources: Mapping[str, str]

    @property
    def text(self) -> str:
        """The recipe as YAML, see `dump`."""
        return dump(self)


def resolve(source: str | Path, overrides: Sequence[str] = ()) -> Resolved:
    """Read a recipe (a file, or the name of a shipped one), what it extends and the command line; check everything.

    Raises RecipeFault; RecipeProblems, with all of them, when the recipe is readable and its values are wrong.
    """
    layer = _layer(source, overrides)
    return _sourced(build(Recipe, layer, CALLED), layer)


def usable(source: str | Path, overrides: Sequence[str] = ()) -> tuple[Resolved, list[RecipeFault]]:
    """As much of a recipe as can be used, with defaults for the rest, and everything that is wrong with it.

    Raises RecipeFault for what can not be read at all.
    """
    layer = _layer(source, overrides)
    recipe, faults = salvage(Recipe, layer, CALLED)
    return _sourced(recipe, layer), faults


def _layer(source: str | Path, overrides: Sequence[str]) -> Layer:
    path, files = _chain(source)
    defaults = from_values(flat(Recipe.model_validate({})), "default")
    named = from_values({"name": path.stem}, "file name")
    return merge([defaults, named, *files, from_words(overrides)], REPLACES)


def _sourced(recipe: Recipe, layer: Layer) -> Resolved:
    return Resolved(recipe, {setting: layer.sources[setting] for setting in flat(recipe)})


def dump(resolved: Resolved) -> str:
    """YAML with every value and its source behind it. Read again, it gives the same recipe and the same sources."""
    recipe = resolved.recipe
    lines = [f"{RESOLVED} `{recipe.name}`: every value with where it came from.", ""]
    open_groups: list[str] = []
    for path, value in flat(recipe).items():
        *groups, name = path.split(".")
        for depth, heading in enumerate(groups):
            if open_groups[depth : depth + 1] != [heading]:
                lines += [f"{'  ' * depth}{heading}:"]
                open_groups[depth:] = [heading]
        line = f"{'  ' * len(groups)}{name}: {_written(value)}"
        lines.append(f"{line:<{_COMMENT_COLUMN}}  # {resolved.sources[path]}")
        open_groups[len(groups) :] = []
    return "\n".join(lines) + "\n"


def shipped() -> dict[str, Path]:
    """The recipes that come with the package, by name."""
    package = Path(holdfast.__file__).parent
    folders = (package / "recipes", package.parents[1] / "recipes")  # installed; in a source tree
    folder = next((folder for folder in folders if folder.is_dir()), folders[0])
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def describe_shipped() -> list[dict[str, str | None]]:
    """Name and description of each shipped recipe, complete or not."""
    found = []
    for name, path in shipped().items():
        values = from_yaml(_read(path, path.name), path.name, "file").values
        found.append({"name": name, "description": values.get("description")})
    return found


def find(source: str | Path, beside: Path | None = None) -> tuple[Path, str]:
    """A recipe's file and what to call it. A bare name is a shipped recipe; `beside` is where `extends` looks first."""
    text = str(source)
    known = shipped()
    if text in known:
        return known[text], f"{text}.yaml"
    path = (beside or Path()) / text
    if path.is_file():
        return path, text
    if beside is not None and Path(text).name == text and Path(text).stem in known:
        return known[Path(text).stem], text
    if path.is_dir():
        raise RecipeFault(
            f"{text} is a folder, not a recipe", "name a recipe file; `holdfast run` also takes a run folder"
        )
    near = nearest(Path(text).stem, list(known))
    hint = f"did you mean the shipped recipe `{near}`?" if near else "give a YAML file"
    raise RecipeFault(f"there is no recipe {text}", f"{hint} Shipped are {', '.join(known)}")


def _chain(source: str | Path) -> tuple[Path, list[Layer]]:
    """The recipe's file, and the layers of it and of all it extends, the outermost base first."""
    first, _ = find(source)
    layers: list[Layer] = []
    seen: list[Path] = []
    wanted, beside, word = source, None, "file"
    while True:
        path, called = find(wanted, beside)
        if path.resolve() in seen:
            raise RecipeFault(f"{called} extends itself, by way of {len(seen)} files", f"remove one `{EXTENDS}`")
        seen.append(path.resolve())
        layer = from_yaml(_read(path, called), called, f"{word} {called}")
        layers.insert(0, layer)
        parent = layer.values.pop(EXTENDS, None)
        if parent is None:
            return first, layers
        if not isinstance(parent, str):
            raise RecipeFault(f"{called}: {EXTENDS} takes one recipe", f"write `{EXTENDS}: other.yaml`")
        wanted, beside, word = parent, path.parent, "extends"


def _read(path: Path, called: str) -> str:
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecipeFault(f"{called} is not UTF-8 text", "is it really a recipe?") from error
    except OSError as error:
        raise RecipeFault(
            f"{called} can not be read: {error.strerror}", "check the file and its permissions"
        ) from error


def _written(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_written(item) for item in value)}]"
    if isinstance(value, dict):  # in a list of groups; what is off need not be said
        said = [f"{name}: {_written(each)}" for name, each in value.items() if each not in (None, {})]
        return f"{{{', '.join(said)}}}"
    if isinstance(value, str) and (not _PLAIN.fullmatch(value) or value in ("null", "Null", "NULL")):
        return yaml.safe_dump(value, default_style='"', allow_unicode=True, width=float("inf")).rstrip("\n")
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
