"""Hand a trained model to the rest of the world: written aside, proved in a fresh process, and only then in place."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from holdfast.base.faults import DiskFault, Fault, RecipeFault
from holdfast.disk import fileops
from holdfast.disk.files import write_json, write_text
from holdfast.model.build import build, config_from_dict
from holdfast.model.config import Config
from holdfast.model.count import parameters
from holdfast.publish import hf, parity
from holdfast.publish.card import Facts, Numbers, card
from holdfast.publish.expected import expect
from holdfast.tokenizer.chat import CHAT_TEMPLATE
from holdfast.tokenizer.codec import Tokenizer
from holdfast.tokenizer.store import export_json
from holdfast.vault.manifest import Manifest

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
CHAT_STAGES = ("sft",)  # the stages after which a model knows the chat format


class Trained(Protocol):
    """What an export is made from."""

    @property
    def model(self) -> nn.Module: ...
    @property
    def tokenizer(self) -> Tokenizer: ...
    @property
    def manifest(self) -> Manifest: ...
    @property
    def stage(self) -> str: ...


def export(trained: Trained, to: str, out: Path, dtype: str = "fp32", facts: Facts | None = None) -> dict[str, Any]:
    """Write `trained` in the format `to` ("hf") as the folder `out`, which must be new or empty.

    dtype: "fp32" or "bf16", the weights' type in the export. facts: what its card may say besides the numbers.
    Returns the result of the parity check, which is also `out/parity.json`. Raises RecipeFault for an unknown format
    or dtype, DiskFault when `out` can not be written, Fault when it is not empty, when transformers is missing, or
    when the exported model does not behave as the trained one; nothing is left behind then.
    """
    if to != "hf":
        raise RecipeFault(f"there is no export format {to!r}", "formats: hf")
    if dtype not in DTYPES:
        raise RecipeFault(f"there is no export dtype {dtype!r}", f"dtypes: {', '.join(DTYPES)}")
    parity.require_transformers()
    facts = facts or Facts(name=out.resolve().name)
    with _placed(out) as aside:
        weights = {
            name: tensor.detach().to("cpu", DTYPES[dtype]) for name, tensor in trained.model.state_dict().items()
        }
        config = config_from_dict(trained.manifest.model)
        chat = trained.stage in CHAT_STAGES
        write_model(aside, config, weights, trained.tokenizer, chat)
        write_tokenizer(aside, trained.tokenizer, config.context_length, chat)
        result = _prove(aside, config, weights, trained.tokenizer, chat)
        write_text(aside / "README.md", card(facts, _numbers(trained, config, dtype, result)))
    return result


@contextmanager
def _placed(out: Path) -> Iterator[Path]:
    """A folder beside `out` that takes its name when the block ends well and is removed when it does not."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise Fault(f"{out} exists and is not an empty folder", "choose a new folder: an export never overwrites")
    aside = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        fileops.make_directory(aside)
        yield aside
        fileops.sync_directory(aside)
        fileops.rename(aside, out)
        fileops.sync_directory(out.parent)
    except OSError as error:
        raise DiskFault(f"{out} can not be written: {error.strerror or error}", "choose another folder") from error
    finally:
        with suppress(OSError):  # it is gone when it took its name
            fileops.remove_tree(aside)


def write_model(folder: Path, config: Config, weights: dict[str, Tensor], tokenizer: Tokenizer, chat: bool) -> None:
    """`config.json`, `generation_config.json` and `model.safetensors`."""
    dtype = str(next(iter(weights.values())).dtype).removeprefix("torch.")
    ends = [tokenizer.assistant_end, tokenizer.eot] if chat else [tokenizer.eot]
    ids = {"bos_token_id": tokenizer.bos, "eos_token_id": ends[0], "pad_token_id": tokenizer.pad}
    # the type of the weights moved from one key to the other with version 5 of transformers
    write_json(folder / "config.json", hf.describe(config) | ids | {"dtype": dtype, "torch_dtype": dtype})
    sampling = {"do_sample": True, "temperature": 0.8, "top_p": 0.95}
    write_json(folder / "generation_config.json", ids | {"eos_token_id": ends} | sampling)
    path = folder / "model.safetensors"
    save_file(hf.tensors(config, weights), path, metadata={"format": "pt"})
    fileops.sync_written(path)


def write_tokenizer(folder: Path, tokenizer: Tokenizer, context_length: int, chat: bool) -> None:
    """`tokenizer.json` and the small files around it; the chat template both where new and where old readers look."""
    named = {
        "bos_token": "<|bos|>",
        "eos_token": "<|assistant_end|>" if chat else "<|eot|>",
        "pad_token": "<|pad|>",
    }
    settings: dict[str, Any] = {
        # the class that every version and every other program knows
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context_length,
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "attention_mask"],
        **named,
    }
    if chat:
        settings["chat_template"] = CHAT_TEMPLATE
        write_text(folder / "chat_template.jinja", CHAT_TEMPLATE)
    write_text(folder / "tokenizer.json", export_json(tokenizer))
    write_json(folder / "tokenizer_config.json", settings)
    write_json(folder / "special_tokens_map.json", named)


def _prove(
    folder: Path, config: Config, weights: dict[str, Tensor], tokenizer: Tokenizer, chat: bool
) -> dict[str, Any]:
    """Ask our model, with exactly the exported numbers, and let a fresh process compare."""
    model = build(config)
    model.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    with tempfile.TemporaryDirectory(prefix="holdfast-parity-") as expected:
        expect(model, tokenizer, config.context_length, chat).save(Path(expected))
        del model
        return parity.prove(folder, Path(expected))


def _numbers(trained: Trained, config: Config, dtype: str, result: dict[str, Any]) -> Numbers:
    return Numbers(
        architecture=result["class"],
        parameters=parameters(config),
        tokens=trained.manifest.tokens,
        context_length=config.context_length,
        vocab_size=config.vocab_size,
        stage=trained.stage,
        step=trained.manifest.step,
        dtype=dtype,
        chat=trained.stage in CHAT_STAGES,
        max_abs_logit_difference=result["max_abs_logit_difference"],
    )
