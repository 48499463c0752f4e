"""The `vivant` command as a process of its own, against servers that speak the contracts."""

from __future__ import annotations

import json
import signal
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import av
import grpc
import numpy as np
import pytest

import vivant as sdk
from services.common.streams import ServerStream, rpc
from tests.harness.command import start, vivant
from tests.harness.scripted_session import NoMetrics, Script, serving
from tests.harness.session_messages import service_info
from vivant.errors import Full, NotFound, Unusable
from vivant.face.v1 import face_pb2, face_pb2_grpc
from vivant.llm.v1 import llm_pb2, llm_pb2_grpc
from vivant.persona.v1 import persona_pb2
from vivant.tts.v1 import tts_pb2, tts_pb2_grpc


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Half a second of tone at 44.1 kHz in stereo, which the scripted server takes for speech."""
    path = tmp_path / "question.wav"
    sound = (9000 * np.sin(np.arange(22_050) * 0.06)).astype(np.int16)
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 44_100, 0, "NONE", ""))
        file.writeframes(np.repeat(sound, 2).tobytes())
    return path


def beats(path: Path) -> tuple[list[float], list[float]]:
    """Times of the flashes and of the clicks in a recording."""
    with av.open(str(path)) as container:
        flashes = [frame.time for frame in container.decode(video=0) if frame.to_ndarray(format="gray").mean() > 140]
    times, levels = [], []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            sound = np.abs(np.atleast_2d(frame.to_ndarray()).mean(axis=0))
            times.append(frame.time + np.arange(sound.size) / frame.sample_rate)
            levels.append(sound)
    time, level = np.concatenate(times), np.concatenate(levels)
    loud = time[level > level.max() * 0.4]
    return flashes, [float(t) for i, t in enumerate(loud) if i == 0 or t - loud[i - 1] > 0.1]


async def test_a_recorded_question(recording: Path, tmp_path: Path) -> None:
    answer = tmp_path / "answer.mp4"
    async with serving() as (address, server):
        result = await vivant("ask", recording, "-o", answer, "--size", "64", "--sources", "--address", address)
    assert (result.status, result.err) == (0, "")
    lines = [line for line in result.out.splitlines() if line]
    assert lines[:2] == ["June: grew up by the sea", "June is an AI."]
    assert "You: Where did you grow up?" in lines
    assert "June: In a white house." in lines
    assert "Sources: story#12" in lines
    assert any(line.startswith("llm first text") and "480 ms" in line and "█" in line for line in lines)
    flashes, clicks = beats(answer)
    assert len(flashes) == 2 and clicks == pytest.approx(flashes, abs=0.005)
    # The reply's first beat is at its fifth unit; before it the face is seen to think, but not the whole question.
    assert flashes[1] - flashes[0] == pytest.approx(0.4, abs=0.001)
    assert 0.15 < flashes[0] < 2.2
    reported = [item.unit_index for item in server.seen["played"]]
    assert reported == sorted(reported) and len(reported) == 20
    assert server.ended_with_finish == [True]
    sent = server.seen["audio"]
    assert {len(item.pcm) for item in sent[:-1]} == {640}
    assert sum(len(item.pcm) for item in sent) / 32_000 > 0.7, "silence must follow the question"


async def test_a_typed_question_as_json(tmp_path: Path) -> None:
    answer = tmp_path / "answer.webm"
    async with serving() as (address, server):
        result = await vivant(
            "ask",
            "--text",
            "Where?",
            "-o",
            answer,
            "--size",
            "64",
            "--whole",
            "--json",
            "--conversation",
            "c7",
            VIVANT_ADDRESS=address,
        )
    assert (result.status, result.err) == (0, "")
    assert json.loads(result.out) == {
        "conversation_id": "c7",
        "transcript": "Where?",
        "reply": "In a white house.",
        "interrupted": False,
        "sources": ["story#12"],
        "stages": {"end_of_turn": 210.0, "llm_first_text": 480.0, "tts_first_audio": 530.5, "first_unit": 560.0},
        "notices": [],
        "output": str(answer),
    }
    flashes, clicks = beats(answer)
    assert len(flashes) == 2 and clicks == pytest.approx(flashes, abs=0.005)
    assert not server.configs[0].HasField("input_audio")


async def test_sound_alone_asks_for_no_picture(tmp_path: Path) -> None:
    async with serving() as (address, server):
        result = await vivant("ask", "--text", "Where?", "-o", tmp_path / "answer.wav", "--address", address)
    assert result.status == 0
    assert not server.configs[0].HasField("output_video")
    with wave.open(str(tmp_path / "answer.wav")) as file:
        assert file.getnframes() >= 20 * 960


async def test_a_face_that_is_missing_leaves_a_recording_of_the_voice(tmp_path: Path) -> None:
    async with serving(Script(missing=("face",))) as (address, _):
        result = await vivant("ask", "--text", "Where?", "-o", tmp_path / "a.mp4", "--address", address)
    assert result.status == 0
    assert "holds sound alone" in result.out
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert [stream.type for stream in container.streams] == ["audio"]


async def test_lost_units_do_not_move_picture_against_sound(tmp_path: Path) -> None:
    script = Script(drop_units=tuple(range(5, 60, 7)))
    async with serving(script) as (address, _):
        result = await vivant(
            "ask", "--text", "Where?", "-o", tmp_path / "a.mp4", "--size", "64", "--whole", "--address", address
        )
    assert result.status == 0
    flashes, clicks = beats(tmp_path / "a.mp4")
    assert clicks and all(any(abs(click - flash) < 0.005 for flash in flashes) for click in clicks)


async def test_a_server_that_dies_in_the_reply(tmp_path: Path) -> None:
    async with serving(Script(die_at_unit=14)) as (address, _):
        result = await vivant(
            "ask", "--text", "Where?", "-o", tmp_path / "a.mp4", "--size", "64", "--whole", "--address", address
        )
    assert result.status == 1
    assert result.err.startswith(f"vivant: the connection to {address} was lost")
    assert len(result.err.splitlines()) == 1
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert len(list(container.decode(video=0))) == 14, "what was recorded until then can be watched"


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (Script(refuse=Full("session serves 4 streams already; try again later")), "serves 4 streams already"),
        (Script(missing=("asr",)), "ask with --text instead"),
    ],
)
async def test_failures_are_one_clear_line(script: Script, says: str, recording: Path) -> None:
    async with serving(script) as (address, _):
        result = await vivant("ask", recording, "--address", address)
    assert result.status == 1
    assert says in result.err and len(result.err.splitlines()) == 1


async def test_a_wrong_file(tmp_path: Path) -> None:
    (tmp_path / "letter.wav").write_text("Dear June, " * 100)
    async with serving() as (address, server):
        result = await vivant("ask", tmp_path / "letter.wav", "--address", address)
    assert result.status == 1
    assert "letter.wav is not a recording that can be read" in result.err and len(result.err.splitlines()) == 1
    assert not server.configs


async def test_ctrl_c_leaves_a_recording_that_can_be_watched(tmp_path: Path) -> None:
    async with serving(Script(silent=True)) as (address, server):
        process = await start(
            "ask", "--text", "Where?", "-o", tmp_path / "a.mp4", "--size", "64", "--whole", "--address", address
        )
        assert process.stdout
        while b"You: Where?" not in await process.stdout.readline():
            assert not process.stdout.at_eof()
        while server.sent_units < 30:
            await server.unit_sent.wait()
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    assert (process.returncode, err) == (130, b"")
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert list(container.decode(video=0))


async def test_chat_from_a_pipe_asks_one_question_after_the_other(tmp_path: Path) -> None:
    script = Script(greeting="Hello, I am June.")
    async with serving(script) as (address, server):
        result = await vivant(
            "chat", "--address", address, "--audio-out", tmp_path / "reply.wav", stdin="Where did you grow up?\nAnd then?\n"
        )
    assert (result.status, result.err) == (0, "")
    assert "June is an AI." in result.out
    assert result.out.count("June: In a white house.\n") == 3
    assert [item.text for item in server.seen["text"]] == ["Where did you grow up?", "And then?"]
    assert server.order == ["turn", "question", "turn", "question", "turn"]
    assert server.ended_with_finish == [True]
    with wave.open(str(tmp_path / "reply.wav")) as file:
        assert file.getnframes() > 60 * 960


async def test_chat_joins_a_conversation_that_somebody_else_has(tmp_path: Path) -> None:
    async with serving() as (address, server), sdk.connect(address) as client, client.converse(participant="Ann") as ann:
        result = await vivant("chat", "--join", "c1", "--name", "Ben", "--address", address, stdin="Where did you grow up?\n")
        assert (result.status, result.err) == (0, "")
        assert "Others join with: vivant chat --join c1" in result.out
        assert "June: In a white house.\n" in result.out
        async for event in ann:
            if isinstance(event, sdk.Transcript):
                assert (event.text, event.participant_id) == ("Where did you grow up?", "Ben")
                break
        assert server.joins[0].participant.name == "Ben"
        nothing = await vivant("chat", "--join", "c9", "--address", address)
        assert (nothing.status, nothing.err) == (1, "vivant: there is no conversation 'c9' here\n")
    wrong = await vivant("chat", "--join", "c1", "--persona", "june")
    assert wrong.status == 2


async def test_chat_shows_what_others_say() -> None:
    async with serving() as (address, _), sdk.connect(address) as client, client.converse(participant="Ann") as ann:
        process = await start("chat", "--join", "c1", "--address", address)
        assert process.stdin and process.stdout
        while b"Type and press Enter" not in await process.stdout.readline():
            assert not process.stdout.at_eof()
        await ann.send_text("Hello, who is there?")
        while await process.stdout.readline() != b"Ann: Hello, who is there?\n":
            assert not process.stdout.at_eof()
        process.stdin.close()
        await process.wait()


async def test_chat_says_how_to_get_a_microphone() -> None:
    result = await vivant("chat", "--mic", "--address", "localhost:1")
    assert result.status == 1
    assert "pip install sounddevice" in result.err


async def test_info() -> None:
    async with serving() as (address, _):
        text = await vivant("info", "--address", address)
        parsed = await vivant("info", "--address", address, "--json")
    assert (text.status, text.err) == (0, "")
    for part in ("orchestrator", "portrait", "hibari", "MIT", "Built with a voice", "June", "tts: loading"):
        assert part in text.out
    assert json.loads(parsed.out)["components"][1]["reason"] == "loading"


class Llm(llm_pb2_grpc.LlmServiceServicer):
    metrics = NoMetrics()

    @rpc
    async def GetInfo(self, request: Any, context: Any) -> llm_pb2.GetInfoResponse:  # noqa: N802 - the contract's name
        return llm_pb2.GetInfoResponse(info=service_info("llm", "llamacpp"))

    @rpc
    async def GetPersona(self, request: Any, context: Any) -> llm_pb2.GetPersonaResponse:  # noqa: N802 - the contract's name
        if request.persona_id == "ghost":
            raise NotFound("there is no persona 'ghost'; there are: june")
        if request.persona_id == "torn":
            raise Unusable("persona.toml of 'torn': the field disclosure is missing", reason="bad_persona")
        return llm_pb2.GetPersonaResponse(persona=self._persona(request.persona_id))

    @rpc
    async def PreparePersona(self, request: Any, context: Any) -> None:  # noqa: N802 - the contract's name
        await context.write(llm_pb2.PreparePersonaResponse(preparation=persona_pb2.Preparation(done=0.4)))
        await context.write(llm_pb2.PreparePersonaResponse(persona=self._persona(request.persona_id)))

    def _persona(self, name: str) -> persona_pb2.Persona:
        language, voice = ("de", "emma") if name == "german" else ("en", None)
        card = persona_pb2.Card(id=name, name="June", description="by the sea", languages=[language])
        return persona_pb2.Persona(card=card, manner=persona_pb2.Manner(voice=voice), passages=84)


class Tts(tts_pb2_grpc.TtsServiceServicer):
    metrics = NoMetrics()

    @rpc
    async def GetInfo(self, request: Any, context: Any) -> tts_pb2.GetInfoResponse:  # noqa: N802 - the contract's name
        info = service_info("tts", "hibari")
        info.languages.extend(["en-US", "en-GB"])
        return tts_pb2.GetInfoResponse(info=info, voices=["heart", "bella"])


class Face(face_pb2_grpc.FaceServiceServicer):
    metrics = NoMetrics()

    @rpc
    async def EnrollPortrait(self, request: Any, context: Any) -> None:  # noqa: N802 - the contract's name
        if request.image == b"two faces":
            raise Unusable("the portrait shows 2 faces; use a picture of one person", reason="two_faces")
        for done, step in ((0.2, "landmarks"), (0.9, "checks")):
            await context.write(face_pb2.EnrollPortraitResponse(progress=face_pb2.Progress(done=done, step=step)))
        enrolled = face_pb2.Enrolled(
            persona_id=request.persona_id, preview=b"PNG of " + request.image, warnings=["a little dark"]
        )
        await context.write(face_pb2.EnrollPortraitResponse(enrolled=enrolled))

    @rpc
    async def EnrollClip(self, _: Any, context: Any) -> None:  # noqa: N802 - the contract's name
        stream: ServerStream[Any, Any] = ServerStream(context, face_pb2.EnrollClipResponse)
        config = await stream.config()
        sizes = [len(piece.data) async for _, piece in stream]
        if sizes == [9]:
            raise Unusable("two faces in 12 of 250 pictures; only one person may be in it", reason="several_faces")
        await stream.send(progress=face_pb2.Progress(done=0.5, step="finding the face"))
        report = [f"pieces: {sizes}", "mouth: shut in 97% of the loop"]
        enrolled = face_pb2.EnrolledClip(persona_id=config.persona_id, preview=b"PNG", warnings=["short"], report=report)
        await stream.send(enrolled=enrolled)


@asynccontextmanager
async def llm_and_face() -> AsyncIterator[dict[str, str]]:
    """Both services and a voice on one port: the environment that leads to them."""
    server = grpc.aio.server()
    llm_pb2_grpc.add_LlmServiceServicer_to_server(Llm(), server)
    face_pb2_grpc.add_FaceServiceServicer_to_server(Face(), server)
    tts_pb2_grpc.add_TtsServiceServicer_to_server(Tts(), server)
    address = f"localhost:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield {
            "VIVANT_LLM_ADDRESS": address,
            "VIVANT_FACE_ADDRESS": address,
            "VIVANT_TTS_ADDRESS": address,
            "VIVANT_ASR_ADDRESS": "localhost:1",
        }
    finally:
        await server.stop(None)


async def test_info_without_an_orchestrator_asks_the_services_themselves() -> None:
    async with llm_and_face() as environment:
        environment |= {f"VIVANT_{name}_ADDRESS": "localhost:1" for name in ("ASR", "TURN", "FACE")}
        result = await vivant("info", "--address", "localhost:1", **environment)
    assert result.status == 1
    assert result.err == "vivant: nothing answers at localhost:1; start it with `make up`\n"
    assert "llamacpp" in result.out and "asr: nothing answers at localhost:1" in result.out
    assert "Voices: heart, bella. The first is for personas that name none." in result.out


async def test_enroll(tmp_path: Path) -> None:
    (tmp_path / "june.png").write_bytes(b"one face")
    async with llm_and_face() as environment:
        result = await vivant(
            "enroll", "june", "--portrait", tmp_path / "june.png", "-o", tmp_path / "preview.png", **environment
        )
    assert (result.status, result.err) == (0, "")
    assert "84 passages" in result.out and "warning: a little dark" in result.out
    assert "Not checked, because it does not answer: asr" in result.out
    assert "vivant chat --persona june" in result.out
    assert (tmp_path / "preview.png").read_bytes() == b"PNG of one face"


async def test_enroll_a_video(tmp_path: Path) -> None:
    (tmp_path / "june.mp4").write_bytes(bytes(1024 * 1024 + 3))
    (tmp_path / "two.mp4").write_bytes(b"two faces")
    async with llm_and_face() as environment:
        preview = tmp_path / "preview.png"
        made = await vivant("enroll", "june", "--video", tmp_path / "june.mp4", "-o", preview, **environment)
        refused = await vivant("enroll", "june", "--video", tmp_path / "two.mp4", **environment)
    assert (made.status, made.err) == (0, "")
    for part in (
        "84 passages",
        "pieces: [1048576, 3]",
        "mouth: shut in 97% of the loop",
        "warning: short",
        "base clip of june",
    ):
        assert part in made.out
    assert preview.read_bytes() == b"PNG"
    assert (refused.status, refused.err) == (1, "vivant: two faces in 12 of 250 pictures; only one person may be in it\n")


async def test_who_cannot_talk_here_is_told_so_with_what_there_is() -> None:
    async with llm_and_face() as environment:
        result = await vivant("enroll", "german", **environment)
        named = await vivant("enroll", "../june", **environment)
    assert (result.status, result.err) == (1, "")
    assert "the language 'de' is not spoken here (tts has en-US, en-GB)" in result.out
    assert "there is no voice 'emma' here; there is: heart, bella" in result.out
    assert "Talk to" not in result.out
    assert named.status == 1 and "1 to 64 letters" in named.err


@pytest.mark.parametrize(
    ("persona", "image", "says"),
    [
        ("june", b"two faces", "vivant: the portrait shows 2 faces; use a picture of one person\n"),
        ("june", b"", "is empty"),
        ("june", bytes(3 * 1024 * 1024 + 1), "at most 3 MiB"),
    ],
)
async def test_a_portrait_that_cannot_be_used(tmp_path: Path, persona: str, image: bytes, says: str) -> None:
    (tmp_path / "portrait.png").write_bytes(image)
    async with llm_and_face() as environment:
        result = await vivant("enroll", persona, "--portrait", tmp_path / "portrait.png", **environment)
    assert result.status == 1
    assert says in result.err and len(result.err.splitlines()) == 1


async def test_a_folder_that_cannot_be_used_is_named_and_its_portrait_made_ready_all_the_same() -> None:
    async with llm_and_face() as environment:
        result = await vivant("enroll", "torn", **environment)
    assert result.status == 1
    assert "the field disclosure is missing" in result.out
    assert "The portrait of torn is ready." in result.out
