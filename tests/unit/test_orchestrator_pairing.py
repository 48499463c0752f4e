"""Whether services that were put together can work together."""

from __future__ import annotations

import pytest

from services.common.audio import pcm_format
from services.orchestrator.links.pairing import misfits
from vivant.common.v1 import common_pb2

Info = common_pb2.ServiceInfo


def infos() -> dict[str, Info]:
    """A system that fits, as the shipped engines do."""
    return {
        "asr": Info(service="asr", input_audio=[pcm_format(16_000)], languages=["en", "de"], asr=common_pb2.AsrCapabilities()),
        "turn": Info(service="turn", input_audio=map(pcm_format, (8_000, 16_000)), turn=common_pb2.TurnCapabilities()),
        "llm": Info(service="llm", languages=["en"], llm=common_pb2.LlmCapabilities()),
        "tts": Info(
            service="tts",
            output_audio=[pcm_format(24_000)],
            languages=["en-US", "en-GB"],
            tts=common_pb2.TtsCapabilities(word_times=True),
        ),
        "face": Info(service="face", input_audio=map(pcm_format, (16_000, 24_000)), face=common_pb2.FaceCapabilities()),
    }


def test_what_fits_has_nothing_wrong() -> None:
    assert misfits(infos()) == []


@pytest.mark.parametrize(
    ("service", "other", "says"),
    [
        (
            "turn",
            Info(service="turn", input_audio=[pcm_format(8_000)], turn=common_pb2.TurnCapabilities()),
            "no microphone suits both: the recognition takes 16000 Hz, the turn-taking 8000 Hz",
        ),
        (
            "face",
            Info(service="face", input_audio=[pcm_format(48_000)], face=common_pb2.FaceCapabilities()),
            "the voice speaks at 24000 Hz, the face takes 48000 Hz",
        ),
        (
            "tts",
            Info(service="tts", output_audio=[pcm_format(24_000)], tts=common_pb2.TtsCapabilities()),
            "the voice gives no times of its words: what was heard of an interrupted reply could not be known",
        ),
        (
            "llm",
            Info(service="llm", languages=["fr-CA"], llm=common_pb2.LlmCapabilities()),
            "no language is common to all: the recognition has de, en; the llm has fr; the voice has en",
        ),
        (
            "asr",
            Info(service="tts", tts=common_pb2.TtsCapabilities()),
            "what answers as asr is another service, tts: check ORCHESTRATOR_ASR_ADDRESS",
        ),
    ],
)
def test_what_does_not_fit_is_said_in_a_sentence(service: str, other: Info, says: str) -> None:
    assert misfits({**infos(), service: other}) == [says]


def model(**fields: object) -> Info:
    """A speech model that fits the others."""
    usual = {
        "service": "speech",
        "input_audio": [pcm_format(16_000)],
        "output_audio": [pcm_format(24_000)],
        "speech": common_pb2.SpeechCapabilities(text=True),
    }
    return Info(**usual | fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (model(), []),
        (
            model(input_audio=[pcm_format(8_000)]),
            ["no microphone suits both: the recognition takes 16000 Hz, the speech model 8000 Hz"],
        ),
        (
            model(output_audio=[pcm_format(16_000)]),
            ["the speech model speaks at 16000 Hz, the voice speaks at 24000 Hz"],
        ),
        (
            model(speech=common_pb2.SpeechCapabilities()),
            ["the speech model does not tell its words: nobody would know what it has said"],
        ),
        (
            model(languages=["fr"]),
            [
                "no language is common to all: the recognition has de, en; the llm has en; the voice has en; "
                "the speech model has fr"
            ],
        ),
        (
            Info(service="tts", tts=common_pb2.TtsCapabilities()),
            ["what answers as speech is another service, tts: check ORCHESTRATOR_SPEECH_ADDRESS"],
        ),
    ],
)
def test_a_speech_model_fits_microphone_voice_and_face(other: Info, says: list[str]) -> None:
    assert misfits({**infos(), "speech": other}) == says


def test_only_what_has_answered_is_judged() -> None:
    known = infos()
    del known["tts"], known["turn"]
    assert misfits(known) == []
    assert misfits({}) == []
