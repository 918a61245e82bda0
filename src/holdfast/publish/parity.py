"""Is the exported folder the same model for people who have never heard of us?

`python -m holdfast.publish.parity EXPORT EXPECTED` runs in a process of its own with stock `transformers`: it loads
EXPORT as any user would, repeats what our own code wrote down in EXPECTED (`record` there), compares, and writes
`parity.json` into EXPORT. Nothing of our model or tokenizer is loaded here.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from holdfast.base.faults import Fault
from holdfast.disk.files import read_json, write_json

RESULT = "parity.json"
RECORD = "expected.json"
LOGITS = "logits.safetensors"
LOGIT_TOLERANCE = 1e-4  # absolute, both sides computing in float32 from the exported weights


@dataclass(frozen=True, slots=True)
class Probe:
    """Ids to read and what our model answers: the logits (N, V) of the last N positions."""

    ids: list[int]
    logits: Tensor


@dataclass(frozen=True, slots=True)
class Greedy:
    """A prompt and the likeliest continuation, token by token, as our model writes it."""

    prompt: list[int]
    continuation: list[int]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A text and its ids, the leading bos included."""

    text: str
    ids: list[int]


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation: its ids with the mask of what the assistant says, and the ids that ask for the last answer."""

    messages: list[dict[str, str]]
    ids: list[int]
    mask: list[bool]
    prompt: list[int]


@dataclass(frozen=True, slots=True)
class Expected:
    """All that the exported folder must reproduce."""

    probes: list[Probe]
    greedy: list[Greedy]
    texts: list[Encoded]
    chats: list[Chat]

    def save(self, folder: Path) -> None:
        """Write to `folder`."""
        save_file({str(k): probe.logits.contiguous() for k, probe in enumerate(self.probes)}, folder / LOGITS)
        record = {
            "probes": [probe.ids for probe in self.probes],
            "greedy": [asdict(each) for each in self.greedy],
            "texts": [asdict(each) for each in self.texts],
            "chats": [asdict(each) for each in self.chats],
        }
        write_json(folder / RECORD, record)

    @staticmethod
    def load(folder: Path) -> Expected:
        """Read what `save` wrote."""
        record, logits = read_json(folder / RECORD), load_file(folder / LOGITS)
        return Expected(
            probes=[Probe(ids, logits[str(k)]) for k, ids in enumerate(record["probes"])],
            greedy=[Greedy(**each) for each in record["greedy"]],
            texts=[Encoded(**each) for each in record["texts"]],
            chats=[Chat(**each) for each in record["chats"]],
        )


class Differs(Exception):
    """What the exported folder does otherwise, in one line."""


def require_transformers() -> None:
    """Raise Fault, before any work is done, when the library that judges the export is not installed."""
    if importlib.util.find_spec("transformers") is None:
        raise Fault(
            "an export is only made when stock transformers loads it and agrees, and transformers is not installed",
            'pip install "holdfast[hf]"',
        )


def prove(export: Path, expected: Path) -> dict[str, Any]:
    """Run the comparison in a fresh process and return its result, now also in EXPORT/parity.json.

    Raises Fault saying what differed.
    """
    command = [sys.executable, "-m", "holdfast.publish.parity", str(export), str(expected)]
    quiet = os.environ | {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(command, capture_output=True, text=True, env=quiet, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise Fault(f"stock transformers does not agree with the exported model: {last}", "please report this as a bug")
    return dict(read_json(export / RESULT))


def compare(export: Path, expected: Expected) -> dict[str, Any]:
    """Load EXPORT with stock transformers and repeat everything in `expected`. Raises Differs."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(export, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(export)
    with torch.inference_mode():
        difference = max(logit_difference(model, probe) for probe in expected.probes)
        if not difference <= LOGIT_TOLERANCE:  # so that NaN fails too
            raise Differs(f"logits differ by {difference:.3g}, allowed is {LOGIT_TOLERANCE:g}")
        for each in expected.greedy:
            compare_greedy(model, each)
    for text in expected.texts:
        compare_ids(f"tokens of {text.text!r}", tokenizer(text.text)["input_ids"], text.ids)
        back = tokenizer.decode(text.ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        if back != text.text:
            raise Differs(f"{text.text!r} comes back as {back!r}")
    for chat in expected.chats:
        compare_chat(tokenizer, chat)
    return {
        "max_abs_logit_difference": difference,
        "logit_tolerance": LOGIT_TOLERANCE,
        "logit_positions": sum(len(probe.logits) for probe in expected.probes),
        "greedy_texts_equal": len(expected.greedy),
        "greedy_tokens": sum(len(each.continuation) for each in expected.greedy),
        "tokenizer_texts_equal": len(expected.texts),
        "chats_equal": len(expected.chats),
        "class": type(model).__name__,
        "versions": versions(),
    }


def logit_difference(model: Any, probe: Probe) -> float:
    """The largest absolute difference over the probe's last positions."""
    logits = model(torch.tensor([probe.ids])).logits[0, -len(probe.logits) :].float()
    if logits.shape != probe.logits.shape:
        raise Differs(f"logits have the shape {tuple(logits.shape)} instead of {tuple(probe.logits.shape)}")
    return float((logits - probe.logits).abs().max())


def compare_greedy(model: Any, expected: Greedy) -> None:
    """`generate` must write the same tokens. Where two candidates lie closer than the tolerance either may follow."""
    prompt = torch.tensor([expected.prompt])
    out = model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        do_sample=False,
        temperature=None,
        top_p=None,
        top_k=None,
        min_new_tokens=len(expected.continuation),
        max_new_tokens=len(expected.continuation),
        eos_token_id=None,
        pad_token_id=0,
    )
    got = out[0, prompt.shape[1] :].tolist()
    if got == expected.continuation:
        return
    at = next(k for k, (one, other) in enumerate(zip(got, expected.continuation, strict=True)) if one != other)
    row = model(torch.tensor([expected.prompt + got[:at]])).logits[0, -1]
    gap = float(row[got[at]] - row[expected.continuation[at]])
    if gap > 2 * LOGIT_TOLERANCE:
        raise Differs(f"greedy text differs at token {at}: {got[at]} instead of {expected.continuation[at]}")


def compare_chat(tokenizer: Any, chat: Chat) -> None:
    """The chat template must give our ids, our mask of assistant tokens, and our prompt for the last answer."""
    whole = tokenizer.apply_chat_template(
        chat.messages, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
    )
    compare_ids("chat template", whole["input_ids"], chat.ids)
    compare_ids("assistant mask", whole["assistant_masks"], [int(on) for on in chat.mask])
    asked = tokenizer.apply_chat_template(
        chat.messages[:-1], tokenize=True, return_dict=True, add_generation_prompt=True
    )
    compare_ids("chat prompt", asked["input_ids"], chat.prompt)


def compare_ids(what: str, got: list[int], expected: list[int]) -> None:
    """Raise Differs at the first place where two lists of ids part."""
    if got == expected:
        return
    shared = next((k for k, pair in enumerate(zip(got, expected, strict=False)) if pair[0] != pair[1]), None)
    at = min(len(got), len(expected)) if shared is None else shared
    raise Differs(f"{what}: from place {at} on {got[at : at + 4]} instead of {expected[at : at + 4]}")


def versions() -> dict[str, str]:
    """What took part."""
    import tokenizers
    import transformers

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "tokenizers": tokenizers.__version__,
    }


def main(export: Path, expected: Path) -> int:
    """Compare, write the result, and say on stderr what differs."""
    try:
        result = compare(export, Expected.load(expected))
    except Differs as error:
        print(error, file=sys.stderr)
        return 1
    write_json(export / RESULT, result)
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
