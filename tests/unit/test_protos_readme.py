"""`protos/README.md` is complete: every call, every message of a stream in its grammar and its dialogue."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest

from vivant.asr.v1 import asr_pb2
from vivant.face.v1 import face_pb2
from vivant.llm.v1 import llm_pb2
from vivant.session.v1 import session_pb2
from vivant.speech.v1 import speech_pb2
from vivant.tts.v1 import tts_pb2
from vivant.turn.v1 import turn_pb2

ROOT: Final = Path(__file__).parents[2]
README: Final = (ROOT / "protos" / "README.md").read_text(encoding="utf-8")
SERVICES: Final = {
    module.DESCRIPTOR.package.split(".")[1]: service
    for module in (session_pb2, asr_pb2, turn_pb2, llm_pb2, tts_pb2, face_pb2, speech_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
}


def section(service: str) -> str:
    return README.split(f"\n## {service}:", 1)[1].split("\n## ", 1)[0]


def grammar(text: str) -> dict[str, set[str]]:
    """The messages of each way, from the lines "requests ..." and "responses ..."."""
    return {way: set(re.findall(r"[a-z_]+", rest)) for way, rest in re.findall(r"\b(requests|responses) +(.*)", text)}


def messages(described: Any) -> set[str]:
    (choice,) = described.oneofs
    return {field.name for field in choice.fields}


def conversation(service: str) -> Any:
    """The stream of a service that lasts as long as a conversation does: its first one. Others only send something large."""
    return next(rpc for rpc in SERVICES[service].methods if rpc.client_streaming)


@pytest.mark.parametrize("service", SERVICES)
def test_the_grammar_of_a_stream_is_that_of_its_messages(service: str) -> None:
    stream = conversation(service)
    fields = {"requests": messages(stream.input_type), "responses": messages(stream.output_type)}
    proto = (ROOT / f"protos/vivant/{service}/v1/{service}.proto").read_text(encoding="utf-8")
    assert grammar(section(service)) == fields
    assert grammar(re.findall(r"// Grammar:(.*\n.*)", proto)[0]) == fields


@pytest.mark.parametrize("service", SERVICES)
def test_the_dialogue_shows_every_message(service: str) -> None:
    stream = conversation(service)
    dialogue = "\n".join(line for line in section(service).splitlines() if re.match(r" {4}(->|<-)", line))
    for way, described in (("->", stream.input_type), ("<-", stream.output_type)):
        assert messages(described) <= set(re.findall(rf"{way} ([a-z_]+)", dialogue))


@pytest.mark.parametrize("service", SERVICES)
def test_every_other_call_is_there(service: str) -> None:
    for rpc in SERVICES[service].methods:
        named = README if rpc.name == "GetInfo" else section(service)
        assert rpc is conversation(service) or f"`{rpc.name}`" in named or f"{rpc.name} " in named, rpc.name
