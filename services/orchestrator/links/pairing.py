"""Whether the services that were put together can work together: asked of what each says of itself, before anybody talks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from vivant.common.v1 import common_pb2

_NAMES: Final = {
    "asr": "the recognition",
    "turn": "the turn-taking",
    "llm": "the llm",
    "tts": "the voice",
    "face": "the face",
    "speech": "the speech model",
}


def misfits(infos: Mapping[str, common_pb2.ServiceInfo]) -> list[str]:
    """Sentences that say what does not fit, by the services that have answered; empty: all fits.

    `infos` are by what each service is used as: "asr", "turn", "llm", "tts", "face", "speech".
    """
    wrong = [
        f"what answers as {name} is another service, {info.service or 'unnamed'}: check ORCHESTRATOR_{name.upper()}_ADDRESS"
        for name, info in infos.items()
        if info.WhichOneof("capabilities") != name
    ]
    if wrong:
        return wrong
    return [
        *_rates_apart(infos),
        *_voice(infos),
        *_model(infos),
        *_tongues(infos),
    ]


def _rates_apart(infos: Mapping[str, common_pb2.ServiceInfo]) -> Iterable[str]:
    if "asr" in infos and "turn" in infos:
        heard, judged = _rates(infos["asr"].input_audio), _rates(infos["turn"].input_audio)
        if not heard & judged:
            yield f"no microphone suits both: the recognition takes {_hz(heard)}, the turn-taking {_hz(judged)}"
    if "tts" in infos and "face" in infos:
        spoken, shown = _rates(infos["tts"].output_audio), _rates(infos["face"].input_audio)
        if not spoken & shown:
            yield f"the voice speaks at {_hz(spoken)}, the face takes {_hz(shown)}"


def _voice(infos: Mapping[str, common_pb2.ServiceInfo]) -> Iterable[str]:
    if "tts" in infos and not infos["tts"].tts.word_times:
        yield "the voice gives no times of its words: what was heard of an interrupted reply could not be known"


def _model(infos: Mapping[str, common_pb2.ServiceInfo]) -> Iterable[str]:
    """A speech model stands beside recognition and voice, and takes the same microphone and the same face."""
    if "speech" not in infos:
        return
    model = infos["speech"]
    hears, speaks = _rates(model.input_audio), _rates(model.output_audio)
    for name in ("asr", "turn"):
        if name in infos and not hears & (other := _rates(infos[name].input_audio)):
            yield f"no microphone suits both: {_NAMES[name]} takes {_hz(other)}, the speech model {_hz(hears)}"
    for name, shown, does in (("face", "input_audio", "takes"), ("tts", "output_audio", "speaks at")):
        if name in infos and not speaks & (other := _rates(getattr(infos[name], shown))):
            yield f"the speech model speaks at {_hz(speaks)}, {_NAMES[name]} {does} {_hz(other)}"
    if not model.speech.text:
        yield "the speech model does not tell its words: nobody would know what it has said"


def _tongues(infos: Mapping[str, common_pb2.ServiceInfo]) -> Iterable[str]:
    bound = {name: {_tongue(tag) for tag in infos[name].languages} for name in ("asr", "llm", "tts", "speech") if name in infos}
    bound = {name: tongues for name, tongues in bound.items() if tongues}
    if len(bound) > 1 and not set.intersection(*bound.values()):
        parts = (f"{_NAMES[name]} has {', '.join(sorted(tongues))}" for name, tongues in bound.items())
        yield f"no language is common to all: {'; '.join(parts)}"


def _tongue(tag: str) -> str:
    return tag.split("-", maxsplit=1)[0].lower()


def _rates(formats: Iterable[common_pb2.AudioFormat]) -> set[int]:
    return {item.sample_rate_hz for item in formats}


def _hz(rates: set[int]) -> str:
    return f"{', '.join(map(str, sorted(rates))) or 'no rate at all'} Hz"
