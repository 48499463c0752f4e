"""Somebody speaks over the persona: what it was, and who has the floor then. From SPEAKING to PAUSED, and on from there."""

from __future__ import annotations

from dataclasses import replace

from services.orchestrator.dialog import effects as fx
from services.orchestrator.dialog import endpointing
from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog.events import OverlapKind, Phase
from services.orchestrator.dialog.floor import break_off
from services.orchestrator.dialog.state import SpeakerState, State, Step, Style, enter, person_of, with_person

# --- while speaking -----------------------------------------------------------------------------------------------------


def suspected(state: State, event: ev.SpeechSuspected, style: Style) -> Step:
    """Something begins: the voice is lowered until it is known what."""
    return state, [fx.Duck()] if style.interruptible and not style.manual_turns else []


def speech_over_voice(state: State, event: ev.SpeechStarted, style: Style) -> Step:
    """The voice is held at once; what it was is judged then. What was said over it before counts no more."""
    before = _unfinished(state, event, style)
    state = with_person(state, event.speaker, SpeakerState())
    state, effects = endpointing.speech_started(state, event, style)
    if style.manual_turns or not style.interruptible:
        return state, effects
    state = with_person(state, event.speaker, replace(person_of(state, event.speaker), before=before))
    return enter(state, Phase.PAUSED, event.at, [fx.Hold()])


def words_over_voice(state: State, event: ev.WordsHeard, style: Style) -> Step:
    """Without the turn service nothing holds the voice, and words alone interrupt."""
    heard, effects = endpointing.words_heard(state, event, style)
    if heard is not state and style.interruptible and _words_suffice(state, event, style):
        return break_off(heard, event.at)
    return heard, effects


def interrupted(state: State, event: ev.Overlapped, style: Style) -> Step:
    """An interruption that was found before the voice was held, or only now; anything else lets the persona go on."""
    if event.kind is not OverlapKind.INTERRUPTION or not style.interruptible:
        return state, []
    if event.probability < style.sure:
        return enter(state, Phase.PAUSED, event.at, [fx.Hold()])
    return break_off(state, event.at)


# --- while paused -------------------------------------------------------------------------------------------------------


def words_in_pause(state: State, event: ev.WordsHeard, style: Style) -> Step:
    """With the turn service the words are weighed there; without it a few are an interruption."""
    heard, effects = endpointing.words_heard(state, event, style)
    if heard is not state and _words_suffice(state, event, style):
        return break_off(heard, event.at)
    return heard, effects


def judged(state: State, event: ev.Overlapped, style: Style) -> Step:
    """The detector has decided what it was; on a guess the voice stays held."""
    if event.probability < style.sure:
        return state, []
    if event.kind is not OverlapKind.INTERRUPTION:
        return _resume(state, event.at, answer=event.kind is OverlapKind.BACKCHANNEL)
    return break_off(state, event.at) if style.interruptible else (state, [])


def undecided(state: State, event: ev.Ticked, style: Style) -> Step:
    """Nobody has decided in time: it was an interruption if it goes on."""
    going_on = any(person.speaking for person in state.people.values())
    return break_off(state, event.at) if going_on else _resume(state, event.at)


def due(state: State, style: Style) -> list[int]:
    """When it must be decided."""
    return [state.since + style.judge_within]


def _resume(state: State, at: int, *, answer: bool = False) -> Step:
    """It was not meant to take the floor: go on. A little word may still be an answer, see `reply.playback_ended`."""
    people = {
        speaker: replace(person, before="") if answer else SpeakerState(speaking=person.speaking)
        for speaker, person in state.people.items()
    }
    return enter(replace(state, people=people), Phase.SPEAKING, at, [fx.Release()])


def _unfinished(state: State, event: ev.SpeechStarted, style: Style) -> str:
    """What the speaker had said, if the persona has broken in on it and they go on."""
    said = state.answering
    if said is None or said.typed or said.came_from != event.speaker or event.at > state.audible_at + style.goes_on_within:
        return ""
    return said.text


def _words_suffice(state: State, event: ev.WordsHeard, style: Style) -> bool:
    """Different words: of a hum or a cough the recognition makes one word again and again."""
    different = {word.strip(".,!?…").lower() for word in event.text.split()} - {""}
    return "turn" in state.lost and len(different) >= style.interrupt_words
