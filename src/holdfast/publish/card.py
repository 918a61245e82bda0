"""README.md of an export: what the model is, in numbers, and how to run it. Nothing is claimed that is not measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Facts:
    """What the card can say besides what the checkpoint knows. What is None stays unsaid.

    bits_per_byte: on held-out documents. data: one line per source of text. license: an SPDX id.
    """

    name: str = "model"
    bits_per_byte: float | None = None
    data: Sequence[str] = ()
    license: str | None = None


@dataclass(frozen=True, slots=True)
class Numbers:
    """What the checkpoint and the parity check know."""

    architecture: str
    parameters: int
    tokens: int
    context_length: int
    vocab_size: int
    stage: str
    step: int
    dtype: str
    chat: bool
    max_abs_logit_difference: float


def card(facts: Facts, numbers: Numbers) -> str:
    """The whole README, front matter first."""
    parts = [_front_matter(facts, numbers), f"# {facts.name}", _summary(numbers), _table(facts, numbers)]
    if facts.data:
        parts.append("## Data\n\n" + "\n".join(f"- {line}" for line in facts.data))
    parts += ["## Run it", _code(numbers), _limits(numbers)]
    return "\n\n".join(parts) + "\n"


def _front_matter(facts: Facts, numbers: Numbers) -> str:
    lines = ["language: en", "library_name: transformers", "pipeline_tag: text-generation"]
    if facts.license is not None:
        lines.append(f"license: {facts.license}")
    tags = ["holdfast", "from-scratch", *(["conversational"] if numbers.chat else [])]
    return "\n".join(["---", *lines, "tags:", *(f"- {tag}" for tag in tags), "---"])


def _summary(numbers: Numbers) -> str:
    kind = "chat model" if numbers.chat else "base model: it continues text and does not follow instructions"
    return (
        f"A small language model trained from scratch with Holdfast. It is a {kind}."
        f" It loads as `{numbers.architecture}` in stock `transformers`; no code travels with it."
    )


def _table(facts: Facts, numbers: Numbers) -> str:
    rows = [
        ("parameters", f"{numbers.parameters:,}"),
        ("context length", f"{numbers.context_length:,} tokens"),
        ("vocabulary", f"{numbers.vocab_size:,} tokens"),
        ("checkpoint", f"stage {numbers.stage}, step {numbers.step:,}"),
        ("tokens seen in that stage", f"{numbers.tokens:,}"),
        ("weights", numbers.dtype),
    ]
    if facts.bits_per_byte is not None:
        rows.append(("bits per byte, held-out documents", f"{facts.bits_per_byte:.4f}"))
    rows.append(("largest logit difference to the trained model", f"{numbers.max_abs_logit_difference:.1e}"))
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _code(numbers: Numbers) -> str:
    if numbers.chat:
        use = (
            'messages = [{"role": "user", "content": "Hello!"}]\n'
            'inputs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", '
            "return_dict=True)"
        )
    else:
        use = 'inputs = tokenizer("Once upon a time", return_tensors="pt")'
    return (
        "```python\n"
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        'tokenizer = AutoTokenizer.from_pretrained(".")\n'
        'model = AutoModelForCausalLM.from_pretrained(".")\n'
        f"{use}\n"
        "output = model.generate(**inputs, max_new_tokens=100)\n"
        'print(tokenizer.decode(output[0, inputs["input_ids"].shape[1]:], skip_special_tokens=True))\n'
        "```"
    )


def _limits(numbers: Numbers) -> str:
    return (
        "## Limits\n\n"
        f"With {numbers.parameters:,} parameters it knows little beyond its training text, states wrong things with"
        " confidence and may repeat passages it has read. It has had no safety training. Do not rely on what it says."
    )
