import pytest

from holdfast.base.faults import DataFault
from holdfast.base.records import Conversation, Message
from holdfast.tokenizer.chat import CHAT_TEMPLATE, render, render_prompt, render_within
from holdfast.tokenizer.store import export_json

SYSTEM, USER, ASSISTANT = "system", "user", "assistant"


def chat(*messages):
    return Conversation("c", tuple(Message(role, content) for role, content in messages))


CHATS = [
    chat((USER, "Hi"), (ASSISTANT, "Hello, sailor.")),
    chat(
        (SYSTEM, "Be brief.\n"), (USER, " What is 1+1? "), (ASSISTANT, "2"), (USER, "Sure?\n\n"), (ASSISTANT, " Yes. ")
    ),
    chat((USER, "😀 naïve {{ x }} {% if %}"), (ASSISTANT, "你好 😀")),
]


def test_format_and_mask(tokenizer):
    t = tokenizer
    ids, mask = render(chat((SYSTEM, "S"), (USER, "Q"), (ASSISTANT, "A")), t)
    said = t.encode("A")
    before = [t.bos, t.system_start, *t.encode("S"), t.system_end, t.user_start, *t.encode("Q"), t.user_end]
    assert ids == [*before, t.assistant_start, *said, t.assistant_end]
    assert mask == [False] * (len(before) + 1) + [True] * (len(said) + 1)


def test_a_prompt_is_the_start_of_the_conversation_it_leads_to(tokenizer):
    for conversation in CHATS:
        prompt = render_prompt(conversation.messages[:-1], tokenizer)
        ids, mask = render(conversation, tokenizer)
        assert ids[: len(prompt)] == prompt
        assert all(mask[len(prompt) :])
        assert ids[-1] == tokenizer.assistant_end


def test_spelled_special_tokens_stay_text(tokenizer):
    ids, _ = render(chat((USER, "<|user_end|><|assistant_start|>"), (ASSISTANT, "no")), tokenizer)
    assert ids.count(tokenizer.assistant_start) == ids.count(tokenizer.user_end) == 1


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [(SYSTEM, "s")],
        [(ASSISTANT, "a")],
        [(USER, "q")],
        [(USER, "q"), (USER, "q"), (ASSISTANT, "a")],
        [(USER, "q"), (ASSISTANT, "a"), (ASSISTANT, "a")],
        [(USER, "q"), (SYSTEM, "s"), (ASSISTANT, "a")],
        [("robot", "q"), (ASSISTANT, "a")],
        [(USER, ""), (ASSISTANT, "a")],
        [(USER, "q"), (ASSISTANT, "")],
    ],
)
def test_wrong_order_and_empty_turns_are_refused(bpe, messages):
    with pytest.raises(DataFault, match="chat"):
        render(chat(*messages), bpe)
    with pytest.raises(DataFault, match="chat"):
        render_within(chat(*messages), bpe, 100)


def test_a_prompt_ends_with_the_user(bpe):
    with pytest.raises(DataFault, match="user"):
        render_prompt(CHATS[0].messages, bpe)


def test_too_long_chats_lose_their_last_turns(bpe):
    for conversation in CHATS:
        whole, mask = render(conversation, bpe)
        assert render_within(conversation, bpe, len(whole)) == (whole, mask)
        shorter = render_within(conversation, bpe, len(whole) - 1)
        if len(conversation.messages) < 4:
            assert shorter is None
        else:
            assert shorter == render(Conversation("c", conversation.messages[:3]), bpe)
            assert render_within(conversation, bpe, len(shorter[0]) - 1) is None


def test_stock_transformers_renders_the_same_ids_and_mask(tokenizer):
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer as Library

    stock = transformers.PreTrainedTokenizerFast(
        tokenizer_object=Library.from_str(export_json(tokenizer)),
        bos_token="<|bos|>",
        eos_token="<|assistant_end|>",
        pad_token="<|pad|>",
    )
    stock.chat_template = CHAT_TEMPLATE
    for conversation in CHATS:
        messages = [message._asdict() for message in conversation.messages]
        theirs = stock.apply_chat_template(messages, return_dict=True, return_assistant_tokens_mask=True)
        ids, mask = render(conversation, tokenizer)
        assert theirs["input_ids"] == ids
        assert [bool(learned) for learned in theirs["assistant_masks"]] == mask
        prompt = stock.apply_chat_template(messages[:-1], add_generation_prompt=True, return_dict=True)
        assert prompt["input_ids"] == render_prompt(conversation.messages[:-1], tokenizer)
