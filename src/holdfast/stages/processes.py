"""How many processes a run trains in on this machine, with how many threads each: all cores are used either way.

Several processes with few threads are faster than one with many where its products are small, because they wait for
each other once a step and not at every product. By how much, only a measurement tells: `launch/trial_steps` makes a few
real steps in each way. What comes out is kept for other runs, and what a run began with it stays with: the last bits
depend on it. Nothing here needs torch, so the other processes can be started while this one loads it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from platform import machine, node
from typing import Any

import holdfast
from holdfast.base.faults import Fault, RecipeFault
from holdfast.base.machine import cores, memory
from holdfast.disk import parts
from holdfast.disk.files import fingerprint
from holdfast.disk.places import cache_folder
from holdfast.model.config import Config, config_to_dict
from holdfast.model.count import FP32, flops_per_token, parameters
from holdfast.stages.recipe import Recipe
from holdfast.text.locate import find_inputs
from holdfast.text.sources import content_bytes
from holdfast.tokenizer.adopt import adopt
from holdfast.tokenizer.special import SMALLEST_VOCABULARY, round_up

FILE = "processes.json"
SPEEDS = "speeds"
WORTH_STARTING = 20.0  # seconds of training that the start of another process pays for
WORTH_MEASURING = 120.0  # and that a measurement of some ten seconds does
CORE_FLOPS = 6e10  # that one core achieves in training, about
BYTES_PER_TOKEN = 4  # of text, about
MARGIN = 0.03  # by which more processes must be faster
PROCESS_BYTES = 400 * 2**20  # of libraries, in each process
MOST_PROCESSES = 16  # that are tried out, for all of them are there while one way is measured
MEMORY_SHARE = 0.8  # of what is free, for what processes hold each for itself

Speeds = Mapping[int, float]  # processes -> tokens per second


@dataclass(frozen=True, slots=True)
class Division:
    """So many processes with so many threads each, on so many cores, and why."""

    processes: int
    threads: int
    cores: int
    why: str

    @property
    def words(self) -> str:
        """In one line."""
        return f"{_shape(self.processes, self.threads)} on {_counted(self.cores, 'core')}: {self.why}"


@dataclass(frozen=True, slots=True)
class Question:
    """What the speed of a step depends on: plain data, so that another process can be asked.

    model: of the network. stage: the settings of pretraining. rows: of a batch. candidates: numbers of processes.
    """

    model: Mapping[str, Any]
    stage: Mapping[str, Any]
    precision: str
    rows: int
    cores: int
    kernels: bool
    candidates: Sequence[int]


def divide(recipe: Recipe, run_dir: Path, measure: Callable[[Question], Speeds]) -> Division:
    """How the run is divided: as the recipe says, as it was begun, or as is fastest. Raises RecipeFault.

    measure: finds the speeds out; asked when nobody did before on this machine and the run is long enough.
    """
    here = cores()
    if recipe.processes != "auto":
        return _told(recipe, recipe.processes, here)
    known = kept(run_dir)
    if known is not None and known.cores == here and recipe.threads in (None, known.threads):
        return known
    begun = known is None and any((run_dir / "pretrain" / "checkpoints").glob("*"))
    if (reason := "the run was begun so" if begun else _alone(recipe, here)) is not None:
        return Division(1, recipe.threads or here, here, reason)
    question = _question(recipe, here)
    speeds = found(question)
    if speeds is None:
        if _seconds(recipe, _config(recipe), here) < WORTH_MEASURING:
            return Division(1, here, here, "the run is short")
        speeds = measure(question)
        if speeds:
            _remember(question, speeds)
    return fastest(speeds, here)


def foreseen(recipe: Recipe, run_dir: Path) -> str:
    """What `divide` will come to, in words; nothing is measured. Raises RecipeFault."""
    asked: list[Question] = []

    def note(question: Question) -> Speeds:
        asked.append(question)
        return {}

    division = divide(recipe, run_dir, note)
    if not asked:
        return division.words
    ways = " or ".join(_shape(count, division.cores // count) for count in asked[0].candidates)
    return f"{ways}: a few steps at the start of the run tell which is faster"


def fastest(speeds: Speeds, here: int) -> Division:
    """The fewest processes that are as fast as any, about."""
    if not speeds:
        return Division(1, here, here, "their speed could not be measured")
    best = max(speeds.values())
    chosen = min(count for count, speed in speeds.items() if speed >= best * (1 - MARGIN))
    ranked = sorted(speeds, key=lambda count: (count != chosen, -speeds[count]))
    told = [f"{speeds[chosen]:,.0f} tokens/s"]
    told += [f"{_shape(count, here // count)} {speeds[count]:,.0f}" for count in ranked[1:]]
    return Division(chosen, here // chosen, here, ", ".join(told))


def kept(run_dir: Path) -> Division | None:
    """How a run was divided when it was last at work; None where that is not known."""
    try:
        return Division(**parts.unseal(run_dir / FILE))
    except (OSError, ValueError, TypeError):
        return None


def keep(run_dir: Path, division: Division) -> bool:
    """Store it with the run. Returns whether it is another one than before."""
    if kept(run_dir) == division:
        return False
    parts.seal(run_dir / FILE, asdict(division))
    return True


def _told(recipe: Recipe, count: int, here: int) -> Division:
    if count > (most := _most(recipe)):
        raise RecipeFault(
            f"processes={count}, and a batch has {_counted(most, 'row')}", "write processes=auto, or a smaller number"
        )
    return Division(count, recipe.threads or max(1, here // count), here, "from the recipe")


def _alone(recipe: Recipe, here: int) -> str | None:
    """Why there is nothing to choose; None where there is."""
    if here == 1:
        return "there is no second one"
    if recipe.threads is not None:
        return "threads is set"
    if sys.platform != "linux":
        return "several are for Linux"
    if recipe.device in ("cuda", "mps") or (recipe.device == "auto" and _has_gpu()):
        return "training is on the GPU"
    config = _config(recipe)
    if len(_candidates(recipe, config, here)) < 2:
        return "the batch or the memory is too small for more"
    if _seconds(recipe, config, here) < WORTH_STARTING:
        return "the run is short"
    return None


def _has_gpu() -> bool:
    if not Path("/dev/nvidiactl").exists() and not Path("/dev/kfd").exists():
        return False
    import torch  # only to be sure, where it takes a second longer

    return torch.cuda.is_available()


def _config(recipe: Recipe) -> Config:
    settings = recipe.tokenizer
    if settings.load is not None:
        size = adopt(Path(settings.load), tuple(settings.domain_tokens)).size
    else:
        size = round_up(settings.vocab_size if settings.kind == "bpe" else SMALLEST_VOCABULARY)
    return recipe.model.config(size)


def _most(recipe: Recipe) -> int:
    """The rows of the smallest batch: a process without any has nothing to do."""
    context = recipe.model.config(vocab_size=64).context_length
    stages = (recipe.pretrain, recipe.sft) if recipe.sft.enabled else (recipe.pretrain,)
    return min(stage.batch_tokens // context for stage in stages)


def _candidates(recipe: Recipe, config: Config, here: int) -> list[int]:
    """Numbers of processes that share the cores evenly: 1, and those between which the next is at least twice."""
    own = parameters(config) * FP32 + PROCESS_BYTES  # gradients and libraries: what each has for itself
    most = min(MOST_PROCESSES, _most(recipe), int(MEMORY_SHARE * memory().available / own))
    counts = [count for count in range(1, here + 1) if here % count == 0 and count <= max(1, most)]
    spread = [1]
    for count in counts[1:]:
        if count >= 2 * spread[-1]:
            spread.append(count)
    return spread


def _seconds(recipe: Recipe, config: Config, here: int) -> float:
    """How long pretraining takes, about: what the budget gives it, or its arithmetic."""
    settings = recipe.pretrain
    if settings.steps is not None:
        tokens: float = settings.steps * settings.batch_tokens
    elif settings.tokens is not None:
        tokens = settings.tokens
    elif settings.epochs is not None:
        tokens = settings.epochs * _text_bytes(recipe) / BYTES_PER_TOKEN
    else:
        return (recipe.budget or 0) / 2
    return tokens * flops_per_token(config) / (here * CORE_FLOPS)


def _text_bytes(recipe: Recipe) -> int:
    paths = recipe.corpus.path or []
    with suppress(Fault):  # it is told where the text is looked for in earnest
        return sum(
            content_bytes(find_inputs(path, "corpus.path").files)
            for path in ([paths] if isinstance(paths, str) else paths)
        )
    return 0


def _question(recipe: Recipe, here: int) -> Question:
    config = _config(recipe)
    return Question(
        model=config_to_dict(config),
        stage=recipe.pretrain.model_dump(
            mode="json", include={"optimizer", "packing", "recompute", "micro_batch_rows", "clip"}
        ),
        precision=recipe.precision if recipe.precision in ("bf16", "fp16") else "fp32",
        rows=recipe.pretrain.batch_tokens // config.context_length,
        cores=here,
        kernels=recipe.kernels == "auto",
        candidates=_candidates(recipe, config, here),
    )


def found(question: Question, root: Path | None = None) -> Speeds | None:
    """What was measured for a question on this machine; None when nothing was."""
    try:
        speeds = parts.unseal(_place(question, root))["speeds"]
        return {int(count): float(speed) for count, speed in speeds.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _remember(question: Question, speeds: Speeds) -> None:
    place = _place(question, None)
    with suppress(OSError):  # it is measured again then
        place.parent.mkdir(parents=True, exist_ok=True)
        parts.seal(place, {"question": asdict(question), "speeds": {str(count): speeds[count] for count in speeds}})


def _place(question: Question, root: Path | None) -> Path:
    here = [node(), machine(), memory().total, version("torch"), holdfast.__version__]
    return (root or cache_folder()) / SPEEDS / f"{fingerprint([asdict(question), here])}.json"


def _shape(processes: int, threads: int) -> str:
    return f"{_counted(processes, 'process')} x {_counted(threads, 'thread')}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}{'es' if noun.endswith('s') else 's'}"
