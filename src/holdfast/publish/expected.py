"""What our own code says, for the exported folder to repeat: logits, greedy text, token ids, rendered chats."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from holdfast.base.records import Conversation, Message
from holdfast.publish.parity import Chat, Encoded, Expected, Greedy, Probe
from holdfast.tokenizer.chat import render, render_prompt
from holdfast.tokenizer.codec import Tokenizer
from holdfast.tokenizer.lossless import NASTY

OPENINGS = ("", "The", "Once upon a time", "In the year 1850 the ship")
QUESTIONS = ("Hello!", "How do you spell harbour?", "What is 2 plus 3?")
GREEDY_TOKENS = 24
PROBES = ((48, 48), (1024, 8))  # (ids read at most, last positions compared)
CONVERSATIONS = (
    (Message("user", "Hi"), Message("assistant", "Hello!")),
    (
        Message("system", "Be brief."),
        Message("user", "  two\n\nparagraphs, na\u00efve caf\u00e9 \U0001f600 "),
        Message("assistant", " 'quoted' <b>not html</b> & {{ braces }}\n"),
        Message("user", "{% raw %} and again?"),
        Message("assistant", "Yes."),
    ),
)


def expect(model: nn.Module, tokenizer: Tokenizer, context_length: int, chat: bool) -> Expected:
    """Ask `model` (float32, on the CPU) and `tokenizer`. Chats are included for a chat model only."""
    model.eval()
    prompts = [[tokenizer.bos, *ids] for ids in tokenizer.encode_batch(OPENINGS)]
    if chat:
        prompts += [render_prompt([Message("user", question)], tokenizer) for question in QUESTIONS]
    prompts = [prompt for prompt in prompts if len(prompt) < context_length]
    with torch.inference_mode():
        return Expected(
            probes=[_probe(model, tokenizer.vocab_size, min(read, context_length), kept) for read, kept in PROBES],
            greedy=[Greedy(prompt, _greedy(model, prompt, context_length)) for prompt in prompts],
            texts=_texts(tokenizer),
            chats=[_chat(messages, tokenizer) for messages in CONVERSATIONS] if chat else [],
        )


def _probe(model: nn.Module, vocab_size: int, length: int, kept: int) -> Probe:
    """Logits after ids drawn evenly from the vocabulary: every kind of token and every position takes part."""
    ids = torch.randint(vocab_size, (1, length), generator=torch.Generator().manual_seed(length))
    return Probe(ids[0].tolist(), model(ids)[0, -kept:].float().clone())


def _greedy(model: nn.Module, prompt: list[int], context_length: int) -> list[int]:
    """The likeliest continuation by the plainest means: the whole text is read again for every token."""
    ids = torch.tensor([prompt])
    for _ in range(min(GREEDY_TOKENS, context_length - len(prompt))):
        ids = torch.cat([ids, model(ids)[:, -1].argmax(-1, keepdim=True)], dim=1)
    return ids[0, len(prompt) :].tolist()


def _texts(tokenizer: Tokenizer) -> list[Encoded]:
    """Hard texts. Those that spell a special token stay out: stock tokenizers read it as one, ours never does."""
    texts = [text for text in (*OPENINGS, *QUESTIONS, *NASTY) if not any(name in text for name in tokenizer.special)]
    return [
        Encoded(text, [tokenizer.bos, *ids]) for text, ids in zip(texts, tokenizer.encode_batch(texts), strict=True)
    ]


def _chat(messages: tuple[Message, ...], tokenizer: Tokenizer) -> Chat:
    ids, mask = render(Conversation("parity", messages), tokenizer)
    as_dicts: list[dict[str, Any]] = [{"role": message.role, "content": message.content} for message in messages]
    return Chat(as_dicts, ids, mask, render_prompt(messages[:-1], tokenizer))
