"""`/v1/realtime` in the spelling of its beta, which older clients speak."""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from typing import Any, Final

import pytest
from openai import AsyncOpenAI

from tests.harness.gateway_door import Door
from tests.harness.realtime_client import REPLY, open_socket, read_until
from tests.harness.waiting import PATIENCE_S

BETA: Final[list[dict[str, Any]]] = [
    {"headers": {"OpenAI-Beta": "realtime=v1", "Authorization": "Bearer sk-x"}},
    {"protocols": ("realtime", "openai-insecure-api-key.sk-x", "openai-beta.realtime-v1")},
    {},
]


async def test_the_beta_client_may_be_hasty(door: Door) -> None:
    url = door.url.replace("http", "ws") + "/v1"
    async with AsyncOpenAI(api_key="none", websocket_base_url=url) as api:
        async with api.beta.realtime.connect(model="gpt-4o-realtime-preview") as connection:
            await connection.session.update(session={"modalities": ["text"]})
            content: Any = [{"type": "input_text", "text": "Where did you grow up?"}]
            await connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})
            await connection.response.create()
            kinds, text = [], ""
            async with asyncio.timeout(PATIENCE_S):
                while "response.done" not in kinds:
                    event = await connection.recv()
                    kinds.append(event.type)
                    text += event.delta if event.type == "response.text.delta" else ""
            assert kinds[:3] == ["session.created", "conversation.created", "session.updated"]
            assert text == REPLY


@pytest.mark.parametrize("options", BETA)
async def test_the_beta_spelling(door: Door, options: dict[str, Any]) -> None:
    async with open_socket(door, **options) as socket:
        assert socket.protocol == ("realtime" if "protocols" in options else None)
        events = await read_until(socket, "session.created", beta=bool(options))
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
        events = await read_until(socket, "session.updated", beta=True)
        session = events[-1]["session"]
        assert (session["modalities"], session["output_audio_format"]) == (["text", "audio"], "g711_ulaw")
        assert session["turn_detection"]["type"] == "server_vad"
        assert {"instructions", "audio.output.voice", "temperature"} <= session["vivant"]["ignored"].keys()
        content = [{"type": "input_text", "text": "Hello?"}]
        await socket.send_json(
            {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": content}}
        )
        await socket.send_json({"type": "response.create", "response": {"modalities": ["text", "audio"]}})
        events = await read_until(socket, "response.done", beta=True)
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
