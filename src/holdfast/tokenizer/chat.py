"""The chat format, in ids and as a template for other software. No other file knows it.

A conversation is `<|bos|>` and then each message between the start and end token of its role. Loss falls on what the
assistant says and on its end token, so that it learns to stop.
"""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.base.faults import DataFault
from holdfast.base.records import Conversation, Message
from holdfast.tokenizer.codec import Tokenizer

# One line, as spaces outside the braces would be part of the chat. `generation` marks what transformers reports as the
# assistant's tokens.
CHAT_TEMPLATE = (
    "<|bos|>"
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}"
    "<|assistant_start|>{% generation %}{{ message['content'] }}<|assistant_end|>{% endgeneration %}"
    "{% elif message['role'] == 'user' %}"
    "<|user_start|>{{ message['content'] }}<|user_end|>"
    "{% elif message['role'] == 'system' %}"
    "<|system_start|>{{ message['content'] }}<|system_end|>"
    "{% else %}"
    "{{ raise_exception('unknown role: ' + message['role']) }}"
    "{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|assistant_start|>{% endif %}"
)

Rendered = tuple[list[int], list[bool]]


def check_messages(messages: Sequence[Message], last: str) -> None:
    """Raise DataFault unless there is an optional system message, then user and assistant in turn, `last` the last."""
    turns = messages[1:] if messages and messages[0].role == "system" else messages
    for place, message in enumerate(turns):
        expected = "assistant" if place % 2 else "user"
        if message.role != expected:
            raise _wrong_order(messages, f"a message of {message.role!r} stands where {expected!r} should speak")
    if not turns or turns[-1].role != last:
        raise _wrong_order(messages, f"the last message is not from {last!r}")
    if not all(message.content for message in messages):
        raise DataFault("a chat has an empty message", "drop the conversation or give the message some text")


def _wrong_order(messages: Sequence[Message], why: str) -> DataFault:
    shown = ", ".join(message.role for message in messages[:6]) or "no message"
    return DataFault(
        f"a chat is out of order: {why} ({shown}{', ...' if len(messages) > 6 else ''})",
        "an optional system message comes first, then user and assistant take turns",
    )


def render(conversation: Conversation, tokenizer: Tokenizer) -> Rendered:
    """(ids, mask) of a whole conversation, equally long; mask[i] is True where token i is to be learned.
    Ends with the assistant's end token. Raises DataFault if the messages are out of order or empty."""
    check_messages(conversation.messages, last="assistant")
    return _joined(tokenizer, _rendered_messages(conversation.messages, tokenizer))


def render_within(conversation: Conversation, tokenizer: Tokenizer, limit: int) -> Rendered | None:
    """Like `render`, but of at most `limit` ids: later turns are dropped until the rest, which still ends with the
    assistant, fits. None when not even the first answer does."""
    check_messages(conversation.messages, last="assistant")
    parts = _rendered_messages(conversation.messages, tokenizer)
    first_turns = 3 if conversation.messages[0].role == "system" else 2
    for kept in range(len(parts), first_turns - 1, -2):
        if 1 + sum(len(ids) for ids, _ in parts[:kept]) <= limit:
            return _joined(tokenizer, parts[:kept])
    return None


def render_prompt(messages: Sequence[Message], tokenizer: Tokenizer) -> list[int]:
    """The ids after which the assistant speaks: the messages so far (the user's last) and the assistant's start token.
    Raises DataFault if they are out of order or empty."""
    check_messages(messages, last="user")
    return [*_joined(tokenizer, _rendered_messages(messages, tokenizer))[0], tokenizer.assistant_start]


def _rendered_messages(messages: Sequence[Message], tokenizer: Tokenizer) -> list[Rendered]:
    contents = tokenizer.encode_batch([message.content for message in messages])
    rendered: list[Rendered] = []
    for message, content in zip(messages, contents, strict=True):
        start, end = tokenizer.special[f"<|{message.role}_start|>"], tokenizer.special[f"<|{message.role}_end|>"]
        learned = message.role == "assistant"
        rendered.append(([start, *content, end], [False] + [learned] * (len(content) + 1)))
    return rendered


def _joined(tokenizer: Tokenizer, parts: Sequence[Rendered]) -> Rendered:
    ids, mask = [tokenizer.bos], [False]
    for part_ids, part_mask in parts:
        ids += part_ids
        mask += part_mask
    return ids, mask
