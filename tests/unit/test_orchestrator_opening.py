"""Whether a persona can be talked to with the engines that there are."""

from __future__ import annotations

import pytest

from services.orchestrator.server import check_persona
from vivant.common.v1 import common_pb2
from vivant.errors import Unavailable, Unusable
from vivant.fitting import has_language
from vivant.persona.v1 import persona_pb2
from vivant.session.v1 import session_pb2

VOICES = ("heart", "bella")


def components(*, ready: bool = True, tts: tuple[str, ...] = ("en-US", "en-GB")) -> dict[str, session_pb2.Component]:
    languages = {"asr": ("en", "de"), "llm": ("en",), "tts": tts}
    return {
        name: session_pb2.Component(service=name, ready=ready, info=common_pb2.ServiceInfo(languages=theirs))
        for name, theirs in languages.items()
    }


def persona(language: str = "en", voice: str | None = None) -> persona_pb2.Persona:
    card = persona_pb2.Card(id="anna", name="Anna", languages=[language])
    return persona_pb2.Persona(card=card, manner=persona_pb2.Manner(voice=voice))


def test_who_fits_is_let_in() -> None:
    for language in ("en", "en-US", "EN-au"):
        check_persona(persona(language, "bella"), session_pb2.ConverseConfig(), components(), VOICES)


@pytest.mark.parametrize(
    ("asked", "config", "says"),
    [
        (persona("de"), {}, "language 'de' is not thought in or spoken here .llm has en; tts has en-US, en-GB"),
        (persona("en", "emma"), {}, "no voice 'emma' here; there is: heart, bella"),
        (persona(), {"language": "fi", "input_audio": common_pb2.AudioFormat()}, "'fi' is not thought in or spoken or under"),
    ],
)
def test_who_does_not_is_refused_with_what_there_is(asked: persona_pb2.Persona, config: dict, says: str) -> None:
    with pytest.raises(Unusable, match=says) as caught:
        check_persona(asked, session_pb2.ConverseConfig(**config), components(), VOICES)
    assert caught.value.reason == "persona_misfit"


def test_of_services_that_are_not_ready_nothing_is_known() -> None:
    check_persona(persona("de", "emma"), session_pb2.ConverseConfig(), components(ready=False), VOICES)
    check_persona(persona("en", "emma"), session_pb2.ConverseConfig(), components(tts=()), ())


def test_who_is_being_prepared_can_be_asked_for_again() -> None:
    early = persona()
    early.preparation.done = 0.41
    with pytest.raises(Unavailable, match="Anna is being prepared, 41% done") as caught:
        check_persona(early, session_pb2.ConverseConfig(), components(), VOICES)
    assert (caught.value.reason, caught.value.retryable) == ("loading", True)
    # While the whole service loads, the session begins without it, as with every service.
    check_persona(early, session_pb2.ConverseConfig(), components(ready=False), VOICES)


def test_an_engine_that_names_no_language_has_all() -> None:
    assert has_language((), "de") and has_language(("de-AT",), "de-DE") and not has_language(("en",), "de")
