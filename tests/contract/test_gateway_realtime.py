"""`/v1/realtime` with the official `openai` package as its client, against the orchestrator with scripted engines."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import importlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, get_args

import aiohttp
import grpc
import numpy as np
import pytest
import pytest_asyncio
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from openai.types.beta.realtime import RealtimeServerEvent as BetaServerEvent
from openai.types.realtime import RealtimeServerEvent
from pydantic import BaseModel

from services.common.metrics import Metrics
from services.common.serving import Service
from services.common.streams import Admission
from services.gateway.realtime import talk as talk_module
from services.gateway.realtime.events import MAX_MESSAGE
from services.orchestrator.clients import Peers
from services.orchestrator.server import SessionServicer
from services.orchestrator.settings import OrchestratorSettings
from tests.gateway_door import Door, gateway_to
from tests.scripted import Script, serving
from vivant.channel import SERVER_OPTIONS
from vivant.session.v1 import session_pb2_grpc

pytestmark = pytest.mark.asyncio(loop_scope="session")

NAMES: Final = ("asr", "turn", "llm", "tts", "face")
RATE: Final = 24_000
REPLY: Final = "It is nice here by the old harbour."
HEARD: Final = "hello there"
UNIT_BYTES: Final = 1920


def models_of(events: Any) -> dict[str, type[BaseModel]]:
    """The models of a union of the official package, by the type of the event."""
    return {kind: model for model in get_args(get_args(events)[0]) for kind in get_args(model.model_fields["type"].annotation)}


GA_EVENTS: Final = models_of(RealtimeServerEvent)
BETA_EVENTS: Final = models_of(BetaServerEvent)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def orchestrator() -> AsyncIterator[tuple[str, Admission]]:
    """The orchestrator and five scripted engines on one port."""
    server = grpc.aio.server(options=SERVER_OPTIONS)
    services: list[Service] = []
    with pytest.MonkeyPatch.context() as environment:
        for name in NAMES:
            environment.setenv(f"{name.upper()}_ENGINE", "fake")
        environment.setenv("LLM_OPENING", "model")
        environment.setenv("LLM_FAKE_REPLIES", json.dumps([REPLY]))
        environment.setenv("ASR_FAKE_SCRIPT", json.dumps([HEARD]))
        for name in NAMES:
            service: Service = importlib.import_module(f"services.{name}.__main__").service()
            service.add_to(server)
            services.append(service)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    addresses: dict[str, Any] = {f"{name}_address": address for name in NAMES}
    settings = OrchestratorSettings(capacity=4, **addresses)
    metrics = Metrics("session", "orchestrator")
    admission, peers = Admission("session", settings.capacity, metrics), Peers(settings)
    servicer = SessionServicer(settings, peers, admission, metrics)
    session_pb2_grpc.add_SessionServiceServicer_to_server(servicer, server)
    await server.start()
    try:
        for service in services:
            await service.warm()
            service.admission.ready = True
        await peers.watch()
        admission.ready = True
        yield address, admission
    finally:
        await peers.close()
        await server.stop(None)
        for service in services:
            if service.close:
                await service.close()


@pytest_asyncio.fixture(loop_scope="session")
async def door(orchestrator: tuple[str, Admission]) -> AsyncIterator[Door]:
    address, admission = orchestrator
    async with gateway_to(address) as each:
        yield each
    await until(lambda: not admission.active)


async def until(test: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Waits until something is true."""
    async with asyncio.timeout(timeout_s):
        while not test():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.02)


class Client:
    """The official client, and what it was told so far."""

    def __init__(self, connection: AsyncRealtimeConnection) -> None:
        self.connection = connection
        self.events: list[Any] = []

    async def until(self, kind: str, count: int = 1) -> Any:
        """Reads up to the next event (or the one after some more) of a kind."""
        async with asyncio.timeout(20):
            while count:
                count -= (await self._next()).type == kind
        return self.events[-1]

    async def error(self) -> tuple[str | None, str]:
        error = (await self.until("error")).error
        assert error.message.endswith(".")
        return error.code, error.message

    async def silent(self, seconds: float) -> list[str]:
        """Reads for a while."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    await self._next()
        except TimeoutError:
            return self.kinds()

    async def _next(self) -> Any:
        """The next event, which is just as the official package describes it."""
        data = await self.connection.recv_bytes()
        GA_EVENTS[json.loads(data)["type"]].model_validate_json(data, strict=True)
        self.events.append(self.connection.parse_event(data))
        return self.events[-1]

    def kinds(self) -> list[str]:
        """What came, in order, repetitions left out."""
        kinds = [event.type for event in self.events]
        return [kind for kind, before in zip(kinds, ["", *kinds], strict=False) if kind != before]

    def of(self, kind: str) -> list[Any]:
        return [event for event in self.events if event.type == kind]

    async def say(self, text: str, **item: Any) -> None:
        content: Any = [{"type": "input_text", "text": text}]
        await self.connection.conversation.item.create(item={"type": "message", "role": "user", "content": content, **item})

    async def play(self, *sounds: bytes) -> None:
        """Sound, all at once."""
        for sound in sounds:
            await self.connection.input_audio_buffer.append(audio=base64.b64encode(sound).decode())


@asynccontextmanager
async def client(door: Door, model: str = "june", **options: Any) -> AsyncIterator[Client]:
    url = door.url.replace("http", "ws") + "/v1"
    async with AsyncOpenAI(api_key="none", websocket_base_url=url) as api:
        async with api.realtime.connect(model=model, **options) as connection:
            each = Client(connection)
            await each.until("session.created")
            yield each


def tone(seconds: float) -> bytes:
    return (np.sin(np.arange(int(seconds * RATE)) * 0.1) * 8000).astype("<i2").tobytes()


def silence(seconds: float) -> bytes:
    return bytes(int(seconds * RATE) * 2)


def manual(**audio: Any) -> Any:
    return {"type": "realtime", "audio": {"input": {"turn_detection": None}, **audio}}


# --- sessions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "ignored"), [("june", False), ("vivant/june", False), ("gpt-realtime", True)])
async def test_the_model_names_the_persona(door: Door, model: str, ignored: bool) -> None:
    async with client(door, model) as talk:
        session = talk.events[0].session
        assert session.model == "vivant/june"
        assert session.id.startswith("sess_")
        assert (session.type, session.object, session.output_modalities) == ("realtime", "realtime.session", ["audio"])
        assert (session.audio.input.format.type, session.audio.input.format.rate) == ("audio/pcm", RATE)
        assert session.audio.input.turn_detection.type == "server_vad"
        assert session.vivant["disclosure"]
        assert ("model" in session.vivant["ignored"]) == ignored


async def test_the_beta_client_may_be_hasty(door: Door) -> None:
    url = door.url.replace("http", "ws") + "/v1"
    async with AsyncOpenAI(api_key="none", websocket_base_url=url) as api:
        async with api.beta.realtime.connect(model="gpt-4o-realtime-preview") as connection:
            await connection.session.update(session={"modalities": ["text"]})
            content: Any = [{"type": "input_text", "text": "Where did you grow up?"}]
            await connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})
            await connection.response.create()
            kinds, text = [], ""
            async with asyncio.timeout(20):
                while "response.done" not in kinds:
                    event = await connection.recv()
                    kinds.append(event.type)
                    text += event.delta if event.type == "response.text.delta" else ""
            assert kinds[:3] == ["session.created", "conversation.created", "session.updated"]
            assert text == REPLY


async def test_wishes_that_a_persona_cannot_follow_are_answered(door: Door) -> None:
    async with client(door) as talk:
        tool: Any = {"type": "function", "name": "weather", "parameters": {}}
        await talk.connection.session.update(
            session={
                "type": "realtime",
                "instructions": "You are a pirate.",
                "tools": [tool],
                "audio": {
                    "input": {"turn_detection": {"type": "semantic_vad", "eagerness": "high"}},
                    "output": {"voice": "marin", "format": {"type": "audio/pcmu"}},
                },
            }
        )
        session = (await talk.until("session.updated")).session
        assert (session.tools, session.tool_choice, session.audio.output.voice) == ([], "none", "june")
        assert session.audio.input.turn_detection.type == "semantic_vad"
        assert session.audio.output.format.type == "audio/pcmu"
        assert set(session.vivant["ignored"]) == {
            "instructions",
            "tools",
            "audio.output.voice",
            "audio.input.turn_detection.eagerness",
        }


# --- answers ----------------------------------------------------------------------------------------------------------


async def test_a_text_is_answered_in_the_order_of_the_protocol(door: Door) -> None:
    async with client(door) as talk:
        await talk.say("Where did you grow up?")
        await talk.connection.response.create(response={"metadata": {"topic": "home"}})
        done = (await talk.until("response.done")).response

        assert talk.kinds()[1:] == [
            "conversation.item.added",
            "conversation.item.done",
            "response.created",
            "response.output_item.added",
            "conversation.item.added",
            "response.content_part.added",
            "response.output_audio_transcript.delta",
            "response.output_audio.delta",
            "response.output_audio.done",
            "response.output_audio_transcript.done",
            "response.content_part.done",
            "conversation.item.done",
            "response.output_item.done",
            "response.done",
        ]
        assert len({event.event_id for event in talk.events}) == len(talk.events)
        question, answer = talk.of("conversation.item.added")
        assert (question.item.content[0].text, question.previous_item_id) == ("Where did you grow up?", None)
        assert answer.previous_item_id == question.item.id
        parts = [event for event in talk.events if hasattr(event, "content_index")]
        linked = {(part.response_id, part.item_id, part.output_index, part.content_index) for part in parts}
        assert linked == {(done.id, answer.item.id, 0, 0)}
        assert "".join(delta.delta for delta in talk.of("response.output_audio_transcript.delta")) == REPLY
        sound = b"".join(base64.b64decode(delta.delta) for delta in talk.of("response.output_audio.delta"))
        assert len(sound) % UNIT_BYTES == 0
        assert np.abs(np.frombuffer(sound, "<i2")).max() > 1000
        assert (done.status, done.metadata, done.output[0].content[0].transcript) == ("completed", {"topic": "home"}, REPLY)
        assert done.output[0].status == "completed"
        assert done.usage.output_token_details.audio_tokens == -(-len(sound) // 48 // 50)
        assert done.usage.total_tokens == done.usage.input_tokens + done.usage.output_tokens


async def test_speech_is_answered_when_the_persona_finds_that_it_is_over(door: Door) -> None:
    async with client(door) as talk:
        await talk.play(silence(0.2), tone(1.0), silence(2.0))
        done = (await talk.until("response.done")).response
        assert done.status == "completed"
        kinds = talk.kinds()
        assert kinds[1 : kinds.index("response.created") + 1] == [
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
            "conversation.item.input_audio_transcription.delta",
            "conversation.item.input_audio_transcription.completed",
            "response.created",
        ]
        started, stopped = talk.events[1], talk.events[2]
        assert 150 <= started.audio_start_ms <= 300
        assert 900 <= stopped.audio_end_ms <= 1400
        [completed] = talk.of("conversation.item.input_audio_transcription.completed")
        assert completed.transcript == HEARD
        assert {event.item_id for event in talk.events[1:4]} == {completed.item_id}
        await talk.connection.conversation.item.retrieve(item_id=completed.item_id)
        assert (await talk.until("conversation.item.retrieved")).item.content[0].transcript == HEARD


async def test_text_only(door: Door) -> None:
    async with client(door) as talk:
        await talk.connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
        await talk.say("Where did you grow up?")
        await talk.connection.response.create()
        done = (await talk.until("response.done")).response
        assert "".join(delta.delta for delta in talk.of("response.output_text.delta")) == REPLY
        assert talk.of("response.output_text.done")[0].text == REPLY
        assert not [kind for kind in talk.kinds() if "audio" in kind]
        assert (done.output_modalities, done.output[0].content[0].type) == (["text"], "output_text")


async def test_the_client_says_when_a_turn_is_over(door: Door) -> None:
    async with client(door) as talk:
        await talk.connection.session.update(session=manual())
        assert (await talk.until("session.updated")).session.audio.input.turn_detection is None
        await talk.play(tone(0.6), silence(1.2))
        await talk.connection.input_audio_buffer.commit()
        committed = await talk.until("input_audio_buffer.committed")
        assert "response.created" not in await talk.silent(2.5)
        await talk.connection.response.create()
        done = (await talk.until("response.done")).response
        [completed] = talk.of("conversation.item.input_audio_transcription.completed")
        assert (completed.item_id, completed.transcript) == (committed.item_id, HEARD)
        assert done.status == "completed"
        assert not [kind for kind in talk.kinds() if "speech" in kind]


async def test_a_manual_turn_without_words_is_said_to_be_one(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(talk_module, "WORDS_WITHIN_S", 0.5)
    async with client(door) as talk:
        await talk.connection.session.update(session=manual())
        await talk.connection.input_audio_buffer.commit()
        assert (await talk.error())[0] == "input_audio_buffer_commit_empty"
        await talk.play(silence(0.4))
        await talk.connection.input_audio_buffer.commit()
        await talk.connection.response.create()
        await talk.connection.input_audio_buffer.clear()
        failed = (await talk.until("response.done")).response
        assert (failed.status, failed.status_details.error.code, failed.output) == ("failed", "nothing_heard", [])
        [completed] = talk.of("conversation.item.input_audio_transcription.completed")
        assert (completed.transcript, completed.item_id) == ("", talk.of("input_audio_buffer.committed")[0].item_id)
        assert failed.id == talk.of("response.created")[0].response.id
        await talk.play(silence(0.4))
        await talk.connection.input_audio_buffer.commit()
        assert (await talk.until("conversation.item.input_audio_transcription.completed")).transcript == ""
        await talk.say("Then I type.")
        await talk.connection.response.create()
        assert (await talk.until("response.done")).response.status == "completed"


async def test_patience_begins_when_the_sound_was_passed_on(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(talk_module, "WORDS_WITHIN_S", 2.0)
    async with client(door) as talk:
        await talk.connection.session.update(session=manual())
        await talk.play(silence(0.4))
        await talk.connection.input_audio_buffer.commit()
        await talk.play(silence(3.5), tone(0.6))
        await talk.connection.input_audio_buffer.commit()
        await talk.connection.response.create()
        assert (await talk.until("response.done")).response.status == "completed"
        [first, second] = talk.of("conversation.item.input_audio_transcription.completed")
        assert (first.transcript, bool(second.transcript)) == ("", True)


async def test_without_automatic_responses_speech_is_committed_and_answered_when_asked(door: Door) -> None:
    async with client(door) as talk:
        detection: Any = {"type": "server_vad", "create_response": False}
        await talk.connection.session.update(session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}})
        await talk.play(tone(0.6), silence(1.0))
        await talk.until("input_audio_buffer.committed")
        assert "response.created" not in await talk.silent(1.5)
        await talk.connection.response.create()
        assert (await talk.until("response.done")).response.status == "completed"
        assert "input_audio_buffer.speech_stopped" in talk.kinds()


async def test_what_was_cleared_is_not_answered(door: Door) -> None:
    async with client(door) as talk:
        await talk.connection.session.update(session=manual())
        await talk.play(tone(0.6))
        await asyncio.sleep(1)
        await talk.connection.input_audio_buffer.clear()
        await talk.until("input_audio_buffer.cleared")
        await talk.play(tone(0.2))
        await talk.connection.input_audio_buffer.commit()
        await talk.connection.response.create()
        await talk.until("response.done")
        [completed] = talk.of("conversation.item.input_audio_transcription.completed")
        assert completed.transcript == HEARD.split()[0], "0.2 s are one word of the script"


async def test_a_response_before_anything_was_said_is_the_greeting(door: Door) -> None:
    async with client(door) as talk:
        await talk.connection.response.create(response={"instructions": "Greet the user."})
        done = (await talk.until("response.done")).response
        assert done.output[0].content[0].transcript
        assert done.vivant["ignored"] == {"instructions": "the persona's character and knowledge are its own"}
        await talk.connection.response.create()
        assert (await talk.error())[0] == "nothing_to_answer"


# --- breaking off -----------------------------------------------------------------------------------------------------


async def test_an_interruption_is_told_at_once_and_the_rest_is_not_said(door: Door) -> None:
    async with client(door) as talk:
        await talk.say("Where did you grow up?")
        await talk.connection.response.create()
        await talk.until("response.output_audio.delta", 5)
        await talk.play(tone(1.5), silence(2.0))
        done = (await talk.until("response.done")).response
        assert (done.status, done.status_details.reason) == ("cancelled", "turn_detected")
        kinds = talk.kinds()
        assert kinds.index("input_audio_buffer.speech_started") < kinds.index("response.output_audio.done")
        heard = done.output[0].content[0].transcript
        assert REPLY.startswith(heard)
        assert done.output[0].status == "incomplete"
        again = (await talk.until("response.done")).response
        assert again.status == "completed"
        [started] = talk.of("input_audio_buffer.speech_started")
        assert started.audio_start_ms < 1000, "on the clock of what the client has sent"
        assert started.item_id == talk.of("input_audio_buffer.committed")[0].item_id


async def test_a_response_is_cancelled(door: Door) -> None:
    async with client(door) as talk:
        await talk.connection.response.cancel()
        assert (await talk.error())[0] == "response_cancel_not_active"
        await talk.say("Where did you grow up?")
        await talk.connection.response.create()
        await talk.until("response.output_audio.delta", 5)
        await talk.connection.response.create()
        assert (await talk.error())[0] == "conversation_already_has_active_response"
        await talk.connection.response.cancel()
        done = (await talk.until("response.done")).response
        assert (done.status, done.status_details.reason) == ("cancelled", "client_cancelled")


async def test_truncating_a_reply_that_is_spoken_leaves_what_was_heard(door: Door) -> None:
    async with client(door) as talk:
        await talk.say("Where did you grow up?")
        await talk.connection.response.create()
        await talk.until("response.output_audio.delta", 25)
        item_id = talk.events[-1].item_id
        await talk.connection.conversation.item.truncate(item_id=item_id, content_index=0, audio_end_ms=300)
        truncated = await talk.until("conversation.item.truncated")
        assert (truncated.item_id, truncated.audio_end_ms) == (item_id, 300)
        [done] = talk.of("response.done")
        assert done.response.status == "cancelled"
        assert done.response.output[0].content[0].transcript == "It is", "50 ms a letter"
        await talk.connection.conversation.item.retrieve(item_id=item_id)
        assert (await talk.until("conversation.item.retrieved")).item.content[0].transcript == "It is"


async def test_truncations_that_cannot_be(door: Door) -> None:
    async with client(door) as talk:
        truncate = talk.connection.conversation.item.truncate
        await truncate(item_id="item_0", content_index=0, audio_end_ms=1)
        assert (await talk.error())[0] == "item_not_found"
        await talk.say("Hello?", id="mine")
        await talk.connection.response.create()
        await talk.until("response.done")
        item_id = talk.of("response.output_item.done")[0].item.id
        await truncate(item_id="mine", content_index=0, audio_end_ms=1)
        assert "assistant" in (await talk.error())[1]
        await truncate(item_id=item_id, content_index=1, audio_end_ms=1)
        assert "index 0" in (await talk.error())[1]
        await truncate(item_id=item_id, content_index=0, audio_end_ms=60_000)
        assert "ms of sound were sent" in (await talk.error())[1]
        await truncate(item_id=item_id, content_index=0, audio_end_ms=-1)
        assert (await talk.error())[0] == "invalid_value"


# --- beta -------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def raw(door: Door, **options: Any) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with door.http.ws_connect(f"{door.url}/v1/realtime?model=gpt-4o-realtime-preview", **options) as socket:
        yield socket


async def read(socket: aiohttp.ClientWebSocketResponse, kind: str, *, beta: bool = False) -> list[dict[str, Any]]:
    """Up to the first event of a kind; all are just as the official package describes them."""
    events: list[dict[str, Any]] = []
    async with asyncio.timeout(20):
        while not events or events[-1]["type"] != kind:
            data = await socket.receive_str()
            events.append(json.loads(data))
            # The beta package lists OpenAI's own models, and a persona is none.
            as_listed = data.replace('"vivant/june"', '"gpt-realtime"')
            (BETA_EVENTS if beta else GA_EVENTS)[events[-1]["type"]].model_validate_json(as_listed, strict=True)
    return events


BETA: Final[list[dict[str, Any]]] = [
    {"headers": {"OpenAI-Beta": "realtime=v1", "Authorization": "Bearer sk-x"}},
    {"protocols": ("realtime", "openai-insecure-api-key.sk-x", "openai-beta.realtime-v1")},
    {},
]


@pytest.mark.parametrize("options", BETA)
async def test_the_beta_spelling(door: Door, options: dict[str, Any]) -> None:
    async with raw(door, **options) as socket:
        assert socket.protocol == ("realtime" if "protocols" in options else None)
        events = await read(socket, "session.created", beta=bool(options))
        wishes = {
            "modalities": ["text", "audio"],
            "instructions": "Be short.",
            "voice": "alloy",
            "input_audio_format": "pcm16",
            "output_audio_format": "g711_ulaw",
            "input_audio_transcription": {"model": "whisper-1"},
            "turn_detection": {"type": "server_vad", "threshold": 0.5},
            "temperature": 0.7,
            "max_response_output_tokens": "inf",
        }
        await socket.send_json({"type": "session.update", "session": wishes})
        events = await read(socket, "session.updated", beta=True)
        session = events[-1]["session"]
        assert (session["modalities"], session["output_audio_format"]) == (["text", "audio"], "g711_ulaw")
        assert session["turn_detection"]["type"] == "server_vad"
        assert {"instructions", "audio.output.voice", "temperature"} <= session["vivant"]["ignored"].keys()
        content = [{"type": "input_text", "text": "Hello?"}]
        await socket.send_json(
            {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": content}}
        )
        await socket.send_json({"type": "response.create", "response": {"modalities": ["text", "audio"]}})
        events = await read(socket, "response.done", beta=True)
        kinds = Counter(event["type"] for event in events)
        assert kinds["conversation.item.created"] == 2
        assert kinds["response.audio.delta"]
        assert not [kind for kind in kinds if "output_audio" in kind or kind.startswith("conversation.item.added")]
        assert "".join(event["delta"] for event in events if event["type"] == "response.audio_transcript.delta") == REPLY
        [part] = [event["part"] for event in events if event["type"] == "response.content_part.done"]
        assert part == {"type": "audio", "transcript": REPLY}
        response = events[-1]["response"]
        assert response["output"][0]["content"] == [part]
        sound = b"".join(base64.b64decode(event["delta"]) for event in events if event["type"] == "response.audio.delta")
        assert abs(len(sound) / 8 - response["usage"]["output_token_details"]["audio_tokens"] * 50) < 100


# --- bad input --------------------------------------------------------------------------------------------------------

BAD: Final[list[tuple[str, str, str | None]]] = [
    ("{", "invalid_json", None),
    ("[1]", "invalid_json", None),
    ("[" * 100_000, "invalid_json", None),
    ('{"type": ' + "9" * 5000 + "}", "invalid_json", None),
    ("{}", "missing_required_parameter", "type"),
    ('{"type": 3}', "invalid_value", "type"),
    ('{"type": "session.destroy"}', "invalid_value", "type"),
    ('{"type": "session.update"}', "missing_required_parameter", "session"),
    ('{"type": "session.update", "session": []}', "invalid_type", "session"),
    ('{"type": "session.update", "session": {"type": "transcription"}}', "invalid_value", "session.type"),
    ('{"type": "session.update", "session": {"output_modalities": ["smell"]}}', "invalid_value", "session.output_modalities.0"),
    ('{"type": "session.update", "session": {"input_audio_format": "mp3"}}', "invalid_value", "session.audio.input.format"),
    ('{"type": "session.update", "session": {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 8000}}}}}',
     "invalid_value", "session.audio.input.format.audio/pcm.rate"),
    ('{"type": "input_audio_buffer.append"}', "missing_required_parameter", "audio"),
    ('{"type": "input_audio_buffer.append", "audio": 7}', "invalid_type", "audio"),
    ('{"type": "input_audio_buffer.append", "audio": "?!"}', "invalid_base64", "audio"),
    ('{"type": "input_audio_buffer.append", "audio": "AAAA"}', "invalid_value", "audio"),
    ('{"type": "input_audio_buffer.append", "audio": "' + "AAAA" * 500_000 + '"}', "buffer_full", "audio"),
    ('{"type": "input_audio_buffer.commit"}', "input_audio_buffer_commit_empty", None),
    ('{"type": "conversation.item.create", "item": {"type": "function_call_output"}}', "unsupported_item", "item.type"),
    ('{"type": "conversation.item.create", "item": {"role": "system", "content": []}}', "unsupported_role", "item.role"),
    ('{"type": "conversation.item.create", "item": {"role": "user", "content": [{"type": "input_image"}]}}',
     "unsupported_content", "item.content.0.type"),
    ('{"type": "conversation.item.create", "item": {"role": "user", "content": []}}', "empty_text", "item.content"),
    ('{"type": "conversation.item.create", "item": "hello"}', "invalid_type", "item"),
    ('{"type": "conversation.item.create", "item": {"role": "user", "content": "hello"}}', "invalid_type", "item.content"),
    ('{"type": "conversation.item.truncate", "item_id": "x"}', "missing_required_parameter", "audio_end_ms"),
    ('{"type": "conversation.item.truncate", "item_id": 3, "audio_end_ms": 1}', "invalid_type", "item_id"),
    ('{"type": "conversation.item.delete"}', "missing_required_parameter", "item_id"),
    ('{"type": "conversation.item.delete", "item_id": "x"}', "item_not_found", "item_id"),
    ('{"type": "conversation.item.retrieve", "item_id": "x"}', "item_not_found", "item_id"),
    ('{"type": "response.create", "response": {"modalities": []}}', "invalid_value", "response.modalities"),
    ('{"type": "response.create", "response": 1}', "invalid_type", "response"),
    ('{"type": "response.create", "response": {"metadata": {"k": 1}}}', "invalid_type", "response.metadata.k"),
    ('{"type": "response.cancel", "response_id": []}', "invalid_type", "response_id"),
    ('{"type": "response.cancel"}', "response_cancel_not_active", "response_id"),
    ('{"type": "session.update", "session": {"audio": 3}}', "invalid_type", "session.audio"),
    ('{"type": "session.update", "session": {"audio": {"input": {"turn_detection": {"type": "x"}}}}}',
     "invalid_value", "session.audio.input.turn_detection.type"),
    ('{"type": "session.update", "session": {"turn_detection": "none"}}', "invalid_type", "session.audio.input.turn_detection"),
    ('{"type": "transcription_session.update", "session": {}}', "invalid_value", "type"),
    ('{"type": "output_audio_buffer.clear"}', "nothing_to_clear", None),
]  # fmt: skip


async def test_what_is_wrong_with_an_event_is_said_and_the_session_goes_on(door: Door) -> None:
    async with raw(door) as socket:
        await read(socket, "session.created")
        for message, code, param in BAD:
            if message.startswith('{"type": "') and "event_id" not in message:
                message = message.replace('{"type"', '{"event_id": "e7", "type"', 1)  # noqa: PLW2901
            await socket.send_str(message)
            [event] = await read(socket, "error")
            error = event["error"]
            assert (error["code"], error["param"]) == (code, param), message
            assert error["type"] == "invalid_request_error"
            assert error["event_id"] == ("e7" if "e7" in message else None), message
            assert error["message"][0].isupper() or error["message"][0] == "`"
        await socket.send_bytes(b"\0\1")
        assert (await read(socket, "error"))[-1]["error"]["code"] == "binary_message"
        await socket.send_json({"type": "response.create"})
        await read(socket, "response.done")


async def test_more_sound_than_can_wait_is_refused(door: Door) -> None:
    async with client(door) as talk:
        await talk.play(silence(20), silence(15))
        code, message = await talk.error()
        assert code == "buffer_full"
        assert "30 s" in message
        await talk.connection.input_audio_buffer.clear()
        await talk.until("input_audio_buffer.cleared")
        await talk.play(silence(20))
        await talk.say("Still here?")
        await talk.connection.response.create()
        assert (await talk.until("response.done")).response.status == "completed"


async def test_a_message_above_the_limit_ends_the_connection(door: Door) -> None:
    async with raw(door) as socket:
        await read(socket, "session.created")
        # The server closes while the rest of it is still being sent.
        with contextlib.suppress(ConnectionError):
            await socket.send_str("x" * (MAX_MESSAGE + 1))
        async with asyncio.timeout(10):
            while not socket.closed:
                await socket.receive()
        assert socket.close_code in (aiohttp.WSCloseCode.MESSAGE_TOO_BIG, aiohttp.WSCloseCode.ABNORMAL_CLOSURE)
    async with client(door) as talk:
        assert talk.kinds() == ["session.created"]


async def test_a_flood_ends_the_connection(door: Door) -> None:
    async with raw(door) as socket:
        await read(socket, "session.created")

        async def flood() -> None:
            with contextlib.suppress(ConnectionError):
                while not socket.closed:
                    await socket.send_str('{"type": "input_audio_buffer.clear"}')

        flooding = asyncio.create_task(flood())
        last = ""
        async with asyncio.timeout(20):
            while (message := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
                last = message.data
        await flooding
        assert json.loads(last)["error"]["code"] == "too_many_messages"
        assert socket.close_code == aiohttp.WSCloseCode.POLICY_VIOLATION


async def test_a_full_gateway_says_so_on_the_connection(orchestrator: tuple[str, Admission]) -> None:
    async with gateway_to(orchestrator[0], capacity=1) as door:
        async with raw(door) as first:
            await read(first, "session.created")
            async with raw(door) as second:
                [event] = await read(second, "error")
                assert event["error"]["code"] == "full"
                assert (await second.receive()).type is aiohttp.WSMsgType.CLOSE
                assert second.close_code == aiohttp.WSCloseCode.TRY_AGAIN_LATER


async def test_a_system_that_is_lost_is_told() -> None:
    async with serving(Script(die_at_unit=10)) as (address, _), gateway_to(address) as door:
        async with raw(door) as socket:
            await read(socket, "session.created")
            [*_, event] = await read(socket, "error")
            assert (event["error"]["type"], event["error"]["code"]) == ("server_error", "connection_lost")
            assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
            assert socket.close_code == aiohttp.WSCloseCode.INTERNAL_ERROR


async def test_a_gateway_that_ends_closes_what_is_open() -> None:
    async with serving(Script()) as (address, _), aiohttp.ClientSession() as http:
        async with gateway_to(address) as door:
            socket = await http.ws_connect(f"{door.url}/v1/realtime")
            await read(socket, "session.created")
            reading = asyncio.create_task(read(socket, "never"))
        await asyncio.gather(reading, return_exceptions=True)
        assert socket.close_code == aiohttp.WSCloseCode.GOING_AWAY
        await socket.close()


async def test_a_persona_that_is_not_there_by_default_either_is_told() -> None:
    async with serving(Script()) as (address, _), gateway_to(address, persona="nobody") as door:
        async with raw(door) as socket:
            [event] = await read(socket, "error")
            assert "nobody" in event["error"]["message"]


@pytest.mark.parametrize(
    ("query", "headers", "status", "reason"),
    [
        ("", {"Origin": "https://elsewhere.example"}, 403, "forbidden_origin"),
        ("?intent=transcription", {}, 400, "unsupported_intent"),
        ("?call_id=rtc_1", {}, 400, "unsupported_call"),
    ],
)
async def test_connections_that_are_refused(door: Door, query: str, headers: dict[str, str], status: int, reason: str) -> None:
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", **headers}
    async with door.http.get(f"{door.url}/v1/realtime{query}", headers=upgrade) as response:
        assert (response.status, (await response.json())["error"]["reason"]) == (status, reason)
    async with door.http.get(f"{door.url}/v1/realtime") as response:
        assert (response.status, (await response.json())["error"]["reason"]) == (400, "not_a_websocket")


async def test_nothing_is_left_when_clients_vanish(door: Door, orchestrator: tuple[str, Admission]) -> None:
    _, admission = orchestrator

    async def vanish(number: int) -> None:
        socket = await door.http.ws_connect(f"{door.url}/v1/realtime")
        if number % 3:
            await read(socket, "session.created")
            await socket.send_json({"type": "input_audio_buffer.append", "audio": base64.b64encode(silence(5)).decode()})
        if number % 2:
            assert socket._response.connection is not None
            assert socket._response.connection.transport is not None
            socket._response.connection.transport.abort()
        await socket.close()

    async def at_rest() -> int:
        await until(lambda: not (admission.active or door.gateway.places.active))
        await asyncio.sleep(0.3)
        return len(asyncio.all_tasks())

    await vanish(1)
    before = await at_rest()
    for number in range(50):
        await vanish(number)
    assert await at_rest() <= before
