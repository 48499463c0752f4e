"""The riva engines behind their services, with a server that keeps Riva's protocol, or breaks it in one way each."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from deploy.addresses import free_port
from services.asr.server import AsrServicer
from services.asr.settings import AsrSettings
from services.common import serving
from services.common.audio import pcm_format, to_float, to_pcm
from services.orchestrator.links.pairing import misfits
from services.tts.server import TtsServicer
from tests.harness.grpc_server import Served, admission_of, refusal, served
from tests.harness.riva_engines import connected, recogniser, voice
from tests.harness.riva_server import (
    FUNCTION,
    KEY,
    LETTER_MS,
    MODEL,
    SPANISH_VOICE,
    VOICE,
    Behaviour,
    RivaServer,
    riva_serving,
    tone,
)
from tests.harness.waiting import until
from vivant.asr.v1 import asr_pb2, asr_pb2_grpc
from vivant.common.v1 import common_pb2
from vivant.errors import Unavailable, Unusable
from vivant.status import FinalStatus
from vivant.tts.v1 import tts_pb2, tts_pb2_grpc

RATE = 16_000
VOICE_HZ = 24_000
STATUS = grpc.StatusCode


@pytest.fixture
async def server() -> AsyncIterator[RivaServer]:
    async with riva_serving() as made:
        yield made


@asynccontextmanager
async def hearing(server: RivaServer, **options: Any) -> AsyncIterator[Served]:
    async with connected(recogniser(server, **options)) as engine:
        admission, metrics = admission_of("asr", "riva", 4)
        servicer = AsrServicer(engine, admission, metrics)
        async with served(lambda server: asr_pb2_grpc.add_AsrServiceServicer_to_server(servicer, server)) as channel:
            yield Served(asr_pb2_grpc.AsrServiceStub(channel), admission, metrics)


@asynccontextmanager
async def speaking(server: RivaServer, **options: Any) -> AsyncIterator[Served]:
    async with connected(voice(server, **options)) as engine:
        admission, metrics = admission_of("tts", "riva", 4)
        servicer = TtsServicer(engine, admission, metrics)
        async with served(lambda server: tts_pb2_grpc.add_TtsServiceServicer_to_server(servicer, server)) as channel:
            yield Served(tts_pb2_grpc.TtsServiceStub(channel), admission, metrics)


# --- recognition ---


def quiet(seconds: float) -> Any:
    return np.zeros(round(seconds * RATE), np.float32)


def spoken(words: str) -> Any:
    """Each word takes 200 ms, and 100 ms of silence follow it."""
    return np.concatenate([part for word in words.split() for part in (tone(word), quiet(0.1))])


def heard(audio: Any, start: int = 0) -> list[asr_pb2.TranscribeRequest]:
    step = RATE // 50
    return [
        asr_pb2.TranscribeRequest(audio=asr_pb2.AudioChunk(pcm=to_pcm(audio[at : at + step]), start_sample=start + at))
        for at in range(0, len(audio), step)
    ]


def flush(flush_id: int) -> asr_pb2.TranscribeRequest:
    return asr_pb2.TranscribeRequest(flush=asr_pb2.Flush(flush_id=flush_id))


def listen(**fields: Any) -> asr_pb2.TranscribeRequest:
    return asr_pb2.TranscribeRequest(config=asr_pb2.TranscribeConfig(audio=pcm_format(RATE), partials=True, **fields))


END = asr_pb2.TranscribeRequest(finish=asr_pb2.Finish())


async def transcribed(service: Served, *requests: asr_pb2.TranscribeRequest) -> list[Any]:
    """What comes back, with time between the requests for what comes of each."""

    async def paced() -> AsyncIterator[Any]:
        for request in requests:
            yield request
            await asyncio.sleep(0.001)

    call = service.stub.Transcribe(paced())
    status = FinalStatus(call)
    try:
        return [getattr(answer, answer.WhichOneof("response")) async for answer in call]
    except grpc.aio.AioRpcError as exc:
        raise await status.after(exc) from exc


def finals(answers: Sequence[Any]) -> list[str]:
    return [answer.text for answer in answers if isinstance(answer, asr_pb2.Final)]


def partials(answers: Sequence[Any]) -> list[Any]:
    return [answer for answer in answers if isinstance(answer, asr_pb2.Partial)]


async def test_words_and_their_times_are_those_of_the_sound(server: RivaServer) -> None:
    sound = np.concatenate((quiet(0.5), spoken("maple otter"), quiet(0.2)))
    async with hearing(server) as service:
        answers = await transcribed(service, listen(), *heard(sound), flush(1), *heard(sound, len(sound)), flush(2), END)
    first, second = (answer for answer in answers if isinstance(answer, asr_pb2.Final))
    assert first.text == second.text == "Maple otter."
    assert [(word.start_sample, word.end_sample) for word in first.words] == [(8_000, 11_200), (12_800, 16_000)]
    assert [word.start_sample for word in second.words] == [len(sound) + 8_000, len(sound) + 12_800]
    assert all(word.confidence == pytest.approx(0.9) for word in first.words)
    assert len(server.configs) == 2, "nothing was said after the second flush"


async def test_what_riva_makes_final_by_itself_is_joined_until_the_flush(server: RivaServer) -> None:
    sound = np.concatenate((spoken("cedar"), quiet(1), spoken("delta"), quiet(1), spoken("ember")))
    async with hearing(server) as service:
        answers = await transcribed(service, listen(), *heard(sound), flush(1), END)
    assert finals(answers) == ["Cedar. Delta. Ember."]
    assert len(server.configs) == 1
    stable = [partial.stable_text for partial in partials(answers)]
    assert "Cedar. Delta." in stable or "cedar Delta." in stable or "Cedar. delta" in stable


@pytest.mark.parametrize("behaviour", [{}, {"parts": True}, {"timed": "no"}])
async def test_interim_words_are_shown_and_what_is_stable_stays(server: RivaServer, behaviour: dict[str, Any]) -> None:
    server.behaviour = Behaviour(**behaviour)
    async with hearing(server) as service:
        answers = await transcribed(service, listen(), *heard(spoken("fern grove heron iris")), flush(1), END)
    shown = partials(answers)
    stable = [partial.stable_text for partial in shown]
    assert all(new.startswith(old) for old, new in pairwise(stable))
    assert "fern grove" in stable
    assert shown[0].start_sample < shown[-1].end_sample <= len(spoken("fern grove heron iris"))
    (final,) = (answer for answer in answers if isinstance(answer, asr_pb2.Final))
    assert final.text == "Fern grove heron iris."
    times = [time for word in final.words for time in (word.start_sample, word.end_sample)]
    assert times == sorted(times) and times[-1] > times[0]


async def test_without_partials_none_are_asked_for(server: RivaServer) -> None:
    async with hearing(server) as service:
        config = asr_pb2.TranscribeRequest(config=asr_pb2.TranscribeConfig(audio=pcm_format(RATE)))
        answers = await transcribed(service, config, *heard(spoken("juniper")), END)
    assert partials(answers) == []
    assert not server.configs[0].interim_results


async def test_what_is_asked_for_is_what_the_settings_say(server: RivaServer) -> None:
    options = {"model": MODEL, "boosted_words": ("Tansy Harbor",), "boost": 7.0, "punctuation": False}
    async with hearing(server, **options) as service:
        await transcribed(service, listen(), *heard(quiet(0.1)), END)
        await transcribed(service, listen(language="de-DE"), *heard(quiet(0.1)), END)
        info = (await service.stub.GetInfo(asr_pb2.GetInfoRequest())).info
    english, german = (each.config for each in server.configs)
    assert (english.language_code, german.language_code) == ("en-US", "de-DE")
    assert (english.sample_rate_hertz, english.model, english.enable_automatic_punctuation) == (RATE, MODEL, False)
    assert [(list(each.phrases), each.boost) for each in english.speech_contexts] == [(["Tansy Harbor"], 7.0)]
    assert list(info.languages) == ["en", "en-US", "de", "de-DE"], "French is not streamed"
    assert [model.name for model in info.models] == [MODEL]
    assert server.address in info.models[0].notice


async def test_finals_out_of_order_and_late_guesses_do_no_harm(server: RivaServer) -> None:
    server.behaviour = Behaviour(disordered=True)
    sound = np.concatenate((spoken("kestrel lark"), quiet(1), spoken("nettle")))
    async with hearing(server) as service:
        answers = await transcribed(service, listen(), *heard(sound), flush(1), END)
    assert finals(answers) == ["Kestrel lark. Nettle."]
    assert not any("nonsense" in partial.stable_text + partial.unstable_text for partial in partials(answers))


@pytest.mark.parametrize("status", [STATUS.UNAVAILABLE, STATUS.INTERNAL, STATUS.OK])
async def test_no_word_is_lost_or_said_twice_when_a_stream_is_cut(server: RivaServer, status: STATUS) -> None:
    sound = np.concatenate((spoken("pine quail"), quiet(1), spoken("reed sable thistle"), quiet(0.3)))
    async with hearing(server) as service:
        server.behaviour.cuts = [(1.9, status), (0.9, status)]
        answers = await transcribed(service, listen(), *heard(sound), flush(1), END)
    (final,) = (answer for answer in answers if isinstance(answer, asr_pb2.Final))
    assert final.text.lower().replace(".", "") == "pine quail reed sable thistle"
    starts = [word.start_sample / RATE for word in final.words]
    assert starts == pytest.approx([0.0, 0.3, 1.6, 1.9, 2.2], abs=0.02)
    assert len(server.configs) == 3


async def test_a_server_that_takes_long_for_the_last_words_is_waited_for(server: RivaServer) -> None:
    server.behaviour = Behaviour(slow_s=0.5)
    async with hearing(server) as service:
        assert finals(await transcribed(service, listen(), *heard(spoken("amber")), END)) == ["Amber."]


@dataclass(frozen=True)
class Wrong:
    """What a server does, and the error that says so."""

    behaviour: dict[str, Any]
    status: grpc.StatusCode
    reason: str
    told: str
    options: dict[str, Any] = field(default_factory=dict)

    def check(self, found: tuple[grpc.StatusCode, str, str]) -> None:
        status, reason, sentence = found
        assert (status, reason) == (self.status, self.reason)
        assert self.told in sentence and "\n" not in sentence
        assert KEY not in sentence and FUNCTION not in sentence


def refusing(with_status: grpc.StatusCode, details: str, *error: Any) -> Wrong:
    return Wrong({"refuse": (with_status, details)}, *error)


WRONG = (
    refusing(STATUS.UNAUTHENTICATED, "no", STATUS.FAILED_PRECONDITION, "wrong_key", "RIVA_API_KEY"),
    refusing(STATUS.PERMISSION_DENIED, "no", STATUS.FAILED_PRECONDITION, "wrong_key", "RIVA_FUNCTION_ID"),
    refusing(STATUS.RESOURCE_EXHAUSTED, "credits are used up", STATUS.RESOURCE_EXHAUSTED, "model_full", "used up"),
    refusing(STATUS.DEADLINE_EXCEEDED, "too slow", STATUS.DEADLINE_EXCEEDED, "model_timeout", "did not answer"),
    refusing(STATUS.UNIMPLEMENTED, "what?", STATUS.FAILED_PRECONDITION, "wrong_address", "RIVA_ADDRESS"),
    refusing(STATUS.INTERNAL, f"crash\nof Bearer {KEY}", STATUS.UNAVAILABLE, "model_failed", "crash of Bearer ***"),
    Wrong({"mute": True}, STATUS.DEADLINE_EXCEEDED, "model_timeout", "RIVA_TIMEOUT_S", {"timeout_s": 0.3}),
    Wrong({"cuts": [(0.1, STATUS.UNAVAILABLE)] * 9}, STATUS.UNAVAILABLE, "model_broke_off", "the worker is gone"),
)


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_stream_tells_what_was_wrong_and_the_next_is_understood(server: RivaServer, wrong: Wrong) -> None:
    requests = [listen(), *heard(spoken("birch")), END]
    async with hearing(server, **wrong.options) as service:
        server.behaviour = Behaviour(**wrong.behaviour)
        wrong.check(await refusal(transcribed(service, *requests)))
        await until(lambda: not service.admission.active)
        server.behaviour = Behaviour()
        assert finals(await transcribed(service, *requests)) == ["Birch."]


async def test_a_model_that_the_server_does_not_have_for_a_language_is_said(server: RivaServer) -> None:
    async with hearing(server, model=MODEL) as service:
        server.behaviour = Behaviour(refuse=(STATUS.INVALID_ARGUMENT, "Unavailable model requested"))
        _, reason, told = await refusal(transcribed(service, listen(), *heard(quiet(0.1)), END))
    assert reason == "request_refused"
    assert "ASR_RIVA_LANGUAGE and ASR_RIVA_MODEL" in told


async def test_an_abandoned_stream_ends_the_one_at_the_server(server: RivaServer) -> None:
    server.behaviour = Behaviour(mute=True)
    async with hearing(server, timeout_s=60) as service:
        call = service.stub.Transcribe()
        for request in [listen(), *heard(spoken("fern")), flush(1)]:
            await call.write(request)
        await until(lambda: server.configs)
        call.cancel()
        await until(lambda: not service.admission.active)


# --- the voice ---


def say(**fields: Any) -> tts_pb2.SynthesizeRequest:
    return tts_pb2.SynthesizeRequest(config=tts_pb2.SynthesizeConfig(**{"audio": pcm_format(VOICE_HZ), "turn_id": 3} | fields))


def text(words: str) -> tts_pb2.SynthesizeRequest:
    return tts_pb2.SynthesizeRequest(text=tts_pb2.Text(text=words))


DONE = tts_pb2.SynthesizeRequest(finish=tts_pb2.Finish())


async def voiced(service: Served, *requests: tts_pb2.SynthesizeRequest) -> tuple[Any, list[Any]]:
    """The sound of a reply and its words."""
    audio = [
        answer.audio async for answer in service.stub.Synthesize(iter(requests)) if answer.WhichOneof("response") == "audio"
    ]
    return to_float(b"".join(each.pcm for each in audio)), [word for each in audio for word in each.words]


@pytest.mark.parametrize("timed", ["words", "late", "durations", "no"])
async def test_words_lie_where_they_sound_as_well_as_the_voice_tells(server: RivaServer, timed: Any) -> None:
    server.behaviour = Behaviour(timed=timed)
    async with speaking(server) as service:
        sound, words = await voiced(service, say(), text("Yes, "), text("my dear old friend."), DONE)
    assert [word.text for word in words] == ["Yes,", "my", "dear", "old", "friend."]
    letter = VOICE_HZ * LETTER_MS // 1000
    starts = [0, 4, 7, 12, 16]
    exact = [at * letter for at in starts]
    assert len(sound) == 23 * letter
    tolerance = {"words": 0, "late": 0, "durations": letter, "no": 2 * letter}[timed]
    assert [word.start_sample for word in words] == pytest.approx(exact, abs=tolerance)
    assert [request.text for request in server.requests] == ["Yes,", "my dear old friend."], "one call for each clause"


async def test_sound_with_times_is_heard_before_its_clause_is_complete(server: RivaServer) -> None:
    server.behaviour.cuts = [(0.3, STATUS.UNAVAILABLE)]
    async with speaking(server) as service:
        call = service.stub.Synthesize(iter([say(), text("This is cut off in the middle."), DONE]))
        got = [answer async for answer in _until_error(call)]
    assert sum(len(answer.audio.pcm) for answer in got) == 2 * VOICE_HZ * 3 // 10
    assert len(got[0].audio.words) == 7


async def _until_error(call: Any) -> AsyncIterator[Any]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for answer in call:
            yield answer
    assert caught.value.code() is STATUS.UNAVAILABLE


async def test_voices_and_languages_are_those_of_the_server(server: RivaServer) -> None:
    async with speaking(server) as service:
        info = await service.stub.GetInfo(tts_pb2.GetInfoRequest())
        await voiced(service, say(), text("Hello."), DONE)
        await voiced(service, say(voice=SPANISH_VOICE, language="es"), text("Hola."), DONE)
        status, reason, told = await refusal(voiced(service, say(language="es"), text("Hola."), DONE))
    assert list(info.voices) == [VOICE, "English-US.Male-1", SPANISH_VOICE]
    assert list(info.info.languages) == ["en-US", "es-US"]
    assert not info.info.tts.phoneme_times and not info.info.tts.speed
    assert [(each.voice_name, each.language_code, each.sample_rate_hz) for each in server.requests] == [
        (VOICE, "en-US", VOICE_HZ),
        (SPANISH_VOICE, "es-US", VOICE_HZ),
    ]
    assert (status, reason) == (STATUS.INVALID_ARGUMENT, "unsupported_language")
    assert VOICE in told


async def test_a_voice_without_prosody_keeps_its_own_pace(server: RivaServer) -> None:
    async with speaking(server) as plain, speaking(server, prosody=True) as able:
        slow, _ = await voiced(plain, say(speed=0.5), text("Tom & I."), DONE)
        slower, _ = await voiced(able, say(speed=0.5), text("Tom & I."), DONE)
    assert len(slower) == 2 * len(slow)


async def test_a_client_that_leaves_cancels_the_call(server: RivaServer) -> None:
    server.behaviour = Behaviour(pace_s=0.05)
    async with speaking(server) as service:
        call = service.stub.Synthesize()
        await call.write(say())
        await call.write(text("We went down to the harbour to see the boats come in from the cold lake. "))
        await call.read()
        call.cancel()
        await until(lambda: server.cancelled and not service.admission.active)


SOUND = (
    Wrong({"sound": "none"}, STATUS.UNAVAILABLE, "model_failed", "no sound"),
    Wrong({"sound": "odd"}, STATUS.UNAVAILABLE, "model_failed", "half a sample"),
    Wrong({"sound": "short"}, STATUS.UNAVAILABLE, "model_failed", "beyond its sound"),
    refusing(STATUS.INVALID_ARGUMENT, "no such voice", STATUS.FAILED_PRECONDITION, "request_refused", "TTS_RIVA_VOICE"),
)


@pytest.mark.parametrize("wrong", [*WRONG, *SOUND])
async def test_a_reply_tells_what_was_wrong_and_the_next_is_spoken(server: RivaServer, wrong: Wrong) -> None:
    requests = [say(), text("It was a long and quiet evening by the lake."), DONE]
    async with speaking(server, **wrong.options) as service:
        server.behaviour = Behaviour(**wrong.behaviour)
        wrong.check(await refusal(voiced(service, *requests)))
        server.behaviour = Behaviour()
        assert len((await voiced(service, *requests))[1]) == 10


async def test_a_first_sound_that_takes_long_is_waited_for(server: RivaServer) -> None:
    server.behaviour = Behaviour(slow_s=0.5)
    async with speaking(server) as service:
        assert len((await voiced(service, say(), text("Good evening."), DONE))[1]) == 2


# --- the server, at start and later ---

Making = Callable[..., Any]
BOTH = pytest.mark.parametrize("make", [recogniser, voice])


@BOTH
@pytest.mark.parametrize(
    ("options", "reason", "told"),
    [
        ({"api_key": "wrong-key"}, "wrong_key", "RIVA_API_KEY"),
        ({"api_key": "né"}, "wrong_key", "RIVA_API_KEY"),
        ({"function_id": "another"}, "unknown_model", "RIVA_FUNCTION_ID"),
        ({"language": "fr-FR"}, "unknown_language", "RIVA_LANGUAGE"),
        ({"address": None}, "wrong_address", "RIVA_ADDRESS"),
        ({"address": "riva.example.org:443"}, "wrong_address", "RIVA_USE_SSL"),
        ({"ca_file": Path("no-such-file.pem"), "use_ssl": True}, "wrong_address", "RIVA_CA_FILE"),
    ],
)
async def test_settings_that_cannot_work_are_said_at_the_start(
    server: RivaServer, make: Making, options: dict[str, Any], reason: str, told: str
) -> None:
    with pytest.raises(Unusable) as caught:
        async with connected(make(server, **options)):
            pass
    assert caught.value.reason == reason
    assert told in caught.value.message
    assert KEY not in caught.value.message and "wrong-key" not in caught.value.message


@pytest.mark.parametrize(
    ("make", "options", "told"),
    [(recogniser, {"model": "slow"}, MODEL), (voice, {"voice": "June"}, VOICE)],
)
async def test_a_model_or_voice_that_is_not_there_is_said_with_those_that_are(
    server: RivaServer, make: Making, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(Unusable, match=told) as caught:
        async with connected(make(server, **options)):
            pass
    assert caught.value.reason == "unknown_model"


@BOTH
async def test_a_server_that_is_not_there_is_waited_for_and_then_given_up(server: RivaServer, make: Making) -> None:
    with free_port() as port:
        engine = make(server, address=f"127.0.0.1:{port}")
        with pytest.raises(Unavailable, match="RIVA_LOAD_TIMEOUT_S") as caught:
            async with connected(engine):
                pass
    assert caught.value.reason == "model_unavailable"
    assert "waiting: the Riva server at 127.0.0.1" in engine.problems()[0]


async def test_a_server_that_comes_later_is_found_and_one_that_goes_is_missed() -> None:
    with free_port() as port:
        address = f"127.0.0.1:{port}"
        nowhere = RivaServer()
        nowhere.address = address
        engine = recogniser(nowhere, load_timeout_s=60)
        meeting = asyncio.create_task(engine.connect())
        await until(engine.problems)
        async with riva_serving(address):
            await meeting
            assert engine.problems() == ()
        admission, metrics = admission_of("asr", "riva", 4)
        servicer = AsrServicer(engine, admission, metrics)
        async with served(lambda server: asr_pb2_grpc.add_AsrServiceServicer_to_server(servicer, server)) as channel:
            service = Served(asr_pb2_grpc.AsrServiceStub(channel), admission, metrics)
            requests = [listen(), *heard(spoken("lark")), END]
            _, reason, told = await refusal(transcribed(service, *requests))
            assert reason == "model_unavailable" and "ASR_RIVA_ADDRESS" in told
            assert engine.problems()
            async with riva_serving(address):
                assert finals(await transcribed(service, *requests)) == ["Lark."]
                assert engine.problems() == ()
        await engine.disconnect()


async def test_the_service_says_what_it_waits_for_and_serves_when_it_is_there(server: RivaServer) -> None:
    with free_port() as port, free_port() as metrics_port:
        settings = AsrSettings(engine="riva", port=port, metrics_port=metrics_port)
        engine = recogniser(server)
        service = serving.engine_service(
            name="asr",
            full_name="vivant.asr.v1.AsrService",
            settings=settings,
            engine=engine,
            servicer=lambda admission, metrics: AsrServicer(engine, admission, metrics),
            add=asr_pb2_grpc.add_AsrServiceServicer_to_server,
        )
        assert service.problems == engine.problems
        await service.warm()
        assert engine.info.models[0].name == MODEL
        assert service.close
        await service.close()


@BOTH
async def test_a_server_that_lists_nothing_is_taken_at_the_settings_word(server: RivaServer, make: Making) -> None:
    server.behaviour = Behaviour(lists=False)
    options = {"voice": "Some.Voice"} if make is voice else {"model": "some-model"}
    async with connected(make(server, **options)) as engine:
        assert engine.info.languages[-1] == "en-US"
    if make is voice:
        with pytest.raises(Unusable, match="TTS_RIVA_VOICE"):
            async with connected(make(server)):
                pass


@pytest.mark.parametrize("trusted", [True, False])
async def test_an_encrypted_connection_trusts_the_authorities_that_it_is_told(tmp_path: Path, trusted: bool) -> None:
    key, certificate = _certificate()
    (tmp_path / "ca.pem").write_bytes(certificate)
    async with riva_serving(credentials=grpc.ssl_server_credentials([(key, certificate)])) as server:
        engine = recogniser(server, use_ssl=True, ca_file=tmp_path / "ca.pem" if trusted else None)
        if trusted:
            async with connected(engine):
                assert engine.info.models[0].name == MODEL
        else:
            with pytest.raises(Unusable, match="ASR_RIVA_CA_FILE") as caught:
                async with connected(engine):
                    pass
            assert caught.value.reason == "wrong_address"


def _certificate() -> tuple[bytes, bytes]:
    """A key and a certificate for 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "riva")]), datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private, made.public_bytes(pem)


async def test_both_fit_a_face_that_takes_24_khz_and_each_other(server: RivaServer) -> None:
    face = common_pb2.ServiceInfo(
        input_audio=[pcm_format(VOICE_HZ)], face=common_pb2.FaceCapabilities(phonemes=True), service="face"
    )
    async with hearing(server) as ears, speaking(server) as mouth:
        asr = (await ears.stub.GetInfo(asr_pb2.GetInfoRequest())).info
        tts = (await mouth.stub.GetInfo(tts_pb2.GetInfoRequest())).info
    assert misfits({"asr": asr, "tts": tts, "face": face}) == []


@BOTH
async def test_no_secret_is_ever_printed(server: RivaServer, make: Making, capsys: pytest.CaptureFixture[str]) -> None:
    engine = make(server)
    async with connected(engine):
        pass
    said = json.dumps([repr(engine._options), str(engine._options), repr(vars(engine)), *capsys.readouterr()])
    assert KEY not in said and FUNCTION not in said
