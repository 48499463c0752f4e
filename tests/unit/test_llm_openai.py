"""What a chat server may send and refuse: events in every shape, and what is learned from a refusal."""

from __future__ import annotations

import itertools
import json
import time
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.retry_after import asked_to_wait_s
from services.llm.engine import Called, Message, Prompt, Thought, Usage
from services.llm.engines.openai.answers import Answer, Refusal, refusal
from services.llm.engines.openai.dialect import Dialect
from services.llm.engines.openai.events import MAX_EVENT, Event, Events, NoEvents

PROMPT = Prompt((Message("system", "Be brief."), Message("user", "Hello?")), "Well. ")


def events(data: bytes, cuts: tuple[int, ...] = ()) -> list[Any]:
    """The values of what `data` brings, None for its end."""
    made, found = Events(), []
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    for start, end in itertools.pairwise(places):
        found += made.push(data[start:end])
    return [event.value if isinstance(event, Event) else None for event in found + made.finish()]


@pytest.mark.parametrize(
    ("data", "values"),
    [
        (b'data: {"a": 1}\n\ndata: {"a": 2}\n\ndata: [DONE]\n\n', [{"a": 1}, {"a": 2}, None]),
        (b'data:{"a": 1}\r\n\r\ndata:{"a": 2}\r\n\r\n', [{"a": 1}, {"a": 2}]),
        (b'data: {"a": 1}\r\rdata: {"a": 2}\r\r', [{"a": 1}, {"a": 2}]),
        (b'data: {"a": 1}\ndata: {"a": 2}\n', [{"a": 1}, {"a": 2}]),
        (b'data: {"a":\ndata:  1}\n\n', [{"a": 1}]),
        (b': hello\nid: 7\nretry: 10\nevent: message\ndata: {"a": 1}\n\n: bye\n\n', [{"a": 1}]),
        (b'data:\n\ndata: \n\ndata: {"a": 1}\n\n', [{"a": 1}]),
        (b"data: null\n\ndata: [1]\n\ndata: 7\n\n", [None, [1], 7]),
        (b'{"a": 1}', [{"a": 1}]),
        (b'{\n "a": 1\n}\n', [{"a": 1}]),
        (b'{"a": 1}\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
        (b'\xef\xbb\xbfdata: {"a": 1}\n\n', [{"a": 1}]),
        (b'data: {"a": "\xff"}\n\n', [{"a": "\ufffd"}]),
        (b"event: error\ndata: out of memory\n\n", [{"error": "out of memory"}]),
        (b'data: {"a": 1}', [{"a": 1}]),
        (b"", []),
    ],
)
def test_events_in_every_shape(data: bytes, values: list[Any]) -> None:
    assert events(data) == values
    assert events(data, tuple(range(len(data)))) == values


@given(
    st.lists(st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2), max_size=4), st.sets(st.integers(0, 200))
)
def test_where_a_stream_was_cut_makes_no_difference(values: list[dict[str, str]], cuts: set[int]) -> None:
    data = "".join(f"data: {json.dumps(value, ensure_ascii=False)}\r\n\r\n" for value in values).encode()
    assert events(data, tuple(cuts)) == values


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"<html><body>Please log in</body></html>", "a web page"),
        (b"data: {broken\n\n", "no JSON"),
        (b"Internal error", "Internal error"),
        (b'{"a": ', "no JSON"),
        (b"data: " + b"x" * (MAX_EVENT + 10), "more than"),
        (b"\x1f\x8b\x08\x00 packed", "no JSON"),
    ],
)
def test_what_is_no_stream_is_shown(data: bytes, told: str) -> None:
    with pytest.raises(NoEvents, match=told):
        events(data)


def delta(content: Any, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": content} | more}]}


@pytest.mark.parametrize(
    ("value", "items"),
    [
        (delta("Hi"), ["Hi"]),
        (delta([{"type": "text", "text": "Hi"}, {"type": "image_url"}, "!"]), ["Hi", "!"]),
        (delta([{"type": "thinking", "thinking": "Hm"}, {"type": "text", "text": "Hi"}]), [Thought("Hm"), "Hi"]),
        (delta(None, reasoning_content="Hm"), [Thought("Hm")]),
        (delta("", reasoning="Hm"), [Thought("Hm")]),
        (delta(None, tool_calls=[{"id": "1"}]), [Called()]),
        ({"choices": [{"message": {"role": "assistant", "content": "Hi"}}]}, ["Hi"]),
        ({"choices": [{"text": "Hi"}]}, ["Hi"]),
        ({"message": {"role": "assistant", "content": "Hi"}, "done": False}, ["Hi"]),
        ({"choices": [{"index": 0, "delta": {"content": "Hi"}}, {"index": 1, "delta": {"content": "Ho"}}]}, ["Hi"]),
        ({"choices": [{"index": 0}]}, []),
        ({"choices": [{"delta": None}]}, []),
        ({"choices": [None, 3]}, []),
        ({"choices": None}, []),
        ({"choices": {}}, []),
        ({"choices": [], "usage": {"prompt_tokens": "x", "completion_tokens": -1, "prompt_tokens_details": []}}, []),
        (delta(7), []),
        ([1, 2], []),
        (None, []),
        ("word", []),
    ],
)
def test_what_an_event_says(value: Any, items: list[Any]) -> None:
    assert list(Answer().items(value)) == items


@pytest.mark.parametrize(
    ("finish", "done", "ended"),
    [
        ("stop", False, "stop"),
        ("length", True, "length"),
        ("tool_calls", True, "tool"),
        (None, True, "stop"),
        (None, False, "cut"),
    ],
)
def test_how_a_reply_ended(finish: str | None, done: bool, ended: str) -> None:
    answer = Answer()
    list(answer.items({"choices": [{"delta": {"content": "Hi"}, "finish_reason": finish}]}))
    assert answer.end(done=done).finish == ended


@pytest.mark.parametrize(
    ("details", "read", "cached"),
    [
        ({"cached_tokens": 7}, 3, 7),
        ({"cached_tokens": 70}, 0, 70),
        ({"cached_tokens": None}, 10, 0),
        ({}, 10, 0),
        (None, 10, 0),
    ],
)
def test_tokens_in_the_cache_are_told_apart(details: Any, read: int, cached: int) -> None:
    answer = Answer()
    usage = {"prompt_tokens": 10, "completion_tokens": 2, "prompt_tokens_details": details}
    assert not list(answer.items({"choices": [], "usage": usage}))
    assert answer.end(done=True) == Usage(read, 2, "stop", cached)


@pytest.mark.parametrize(
    ("told", "seconds"),
    [("7", 7.0), (" 0.5 ", 0.5), ("0", 0.0), ("", None), ("soon", None), ("-1", None), ("9" * 30, None), (formatdate(0), 0.0)],
)
def test_when_a_server_wants_to_be_asked_again(told: str, seconds: float | None) -> None:
    assert asked_to_wait_s({"Retry-After": told}) == seconds
    assert asked_to_wait_s({}) is None


def test_a_date_to_be_asked_again_at_is_in_seconds_from_now() -> None:
    told = asked_to_wait_s({"Retry-After": formatdate(time.time() + 3600, usegmt=True)})
    assert told is not None and 3000 < told <= 3600


@pytest.mark.parametrize(
    ("value", "message", "status"),
    [
        ({"error": {"message": "no memory", "code": 500}}, "no memory", 500),
        ({"error": "boom"}, "boom", 0),
        ({"object": "error", "message": "no such model", "code": 404}, "no such model", 404),
        ({"detail": [{"loc": ["body", "stream_options"], "msg": "Extra inputs"}]}, "body.stream_options: Extra inputs", 0),
        ({"error": {"status": "x", "code": "rate_limit"}}, "rate_limit", 0),
    ],
)
def test_errors_in_every_shape(value: Any, message: str, status: int) -> None:
    found = refusal(value)
    assert found and message in found.message and found.status == status
    assert refusal({"choices": [], "error": None}) is None


@pytest.mark.parametrize(
    ("message", "gone", "there"),
    [
        (
            "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead.",
            "max_tokens",
            "max_completion_tokens",
        ),
        ("Unrecognized request argument supplied: stream_options", "stream_options", "stream"),
        ("body.stream_options: Extra inputs are not permitted", "stream_options", "stream"),
        ("Unsupported value: 'temperature' does not support 0.3", "temperature", "messages"),
        ("Streaming is not supported by this model", "stream", "messages"),
        ("unknown field continue_final_message", "continue_final_message", "messages"),
    ],
)
def test_what_is_refused_is_not_sent_again(message: str, gone: str, there: str) -> None:
    dialect = Dialect(0.3, {}, "on")
    more = {"stream": True, "stream_options": {"include_usage": True}}
    body = dialect.body("m", PROMPT, 5, **more)
    assert gone in body
    assert dialect.learn(Refusal(message, 400), body)
    again = dialect.body("m", PROMPT, 5, **more)
    assert gone not in again and there in again
    assert not dialect.learn(Refusal(message, 400), again), "it would be asked for ever"


def test_a_server_without_a_system_role_gets_it_in_the_first_message() -> None:
    dialect = Dialect(0.3, {}, "auto")
    assert dialect.learn(Refusal("System role not supported", 400), dialect.body("m", PROMPT, 5))
    messages = dialect.body("m", PROMPT, 5)["messages"]
    assert messages[0] == {"role": "user", "content": "Be brief.\n\nHello?"}
    refused = Refusal("Expected last role User or Tool for serving but got assistant, which is invalid", 400)
    assert dialect.learn(refused, dialect.body("m", PROMPT, 5))
    assert [message["role"] for message in dialect.body("m", PROMPT, 5)["messages"]] == ["user"]


@pytest.mark.parametrize(
    "message",
    ["This model's maximum context length is 512 tokens, and max_tokens is invalid", "bad key", "the model is overloaded"],
)
def test_what_cannot_be_asked_differently_is_not(message: str) -> None:
    dialect = Dialect(0.3, {}, "auto")
    assert not dialect.learn(Refusal(message, 400), dialect.body("m", PROMPT, 5))


def test_only_vllm_is_told_to_go_on_with_what_was_begun() -> None:
    dialect = Dialect(0.3, {"chat_template_kwargs": {"enable_thinking": False}}, "auto")
    assert "continue_final_message" not in dialect.body("m", PROMPT, 5)
    dialect.recognise("vllm")
    body = dialect.body("m", PROMPT, 5)
    assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)
    assert body["messages"][-1] == {"role": "assistant", "content": "Well."}
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    assert "continue_final_message" not in dialect.body("m", Prompt(PROMPT.messages), 5)
