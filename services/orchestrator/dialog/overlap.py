"""Somebody speaks over the persona: what it was, and who has the floor then. From SPEAKING to PAUSED, and on from there."""

from __future__ import annotations

from dataclasses import replace

from services.orchestrator import events as ev
from services.orchestrator.dialog import endpointing
from services.orchestrator.dialog.floor import break_off
from services.orchestrator.dialog.state import Ear, State, Step, Style, ear_of, enter, with_ear
from services.orchestrator.events import OverlapKind, Phase

# --- while speaking -----------------------------------------------------------------------------------------------------


def speech_over_voice(state: State, event: ev.SpeechStarted, style: Style) -> Step:
    """The voice is held at once; what it was is judged then."""
    state, effects = endpointing.speech_started(state, event, style)
    if style.manual_turns or not style.interruptible:
        return state, effects
    return enter(state, Phase.PAUSED, event.at, [ev.Hold()])


def words_over_voice(state: State, event: ev.WordsHeard, style: Style) -> Step:
    """Without the turn service nothing holds the voice, and words alone interrupt."""
    heard, effects = endpointing.words_heard(state, event, style)
    if heard is not state and "turn" in state.lost and style.interruptible and _are_enough(event, style):
        return break_off(heard, event.at)
    return heard, effects


def words_set_aside(state: State, event: ev.WordsFinal, style: Style) -> Step:
    """Said over the persona and judged not to be an interruption: it does not wait to be answered later."""
    if style.manual_turns:
        return endpointing.words_final(state, event, style)
    return with_ear(state, event.speaker, Ear(speaking=ear_of(state, event.speaker).speaking)), []


def interrupted(state: State, event: ev.Overlapped, style: Style) -> Step:
    """An interruption that was found before the voice was held; anything else lets the persona go on."""
    if event.kind is OverlapKind.INTERRUPTION and style.interruptible:
        return break_off(state, event.at)
    return state, []


# --- while paused -------------------------------------------------------------------------------------------------------


def words_in_pause(state: State, event: ev.WordsHeard, style: Style) -> Step:
    """A few words are an interruption, whatever the detector says."""
    heard, effects = endpointing.words_heard(state, event, style)
    if heard is not state and _are_enough(event, style):
        return break_off(heard, event.at)
    return heard, effects


def judged(state: State, event: ev.Overlapped, style: Style) -> Step:
    """The detector has decided what it was."""
    if event.kind is OverlapKind.INTERRUPTION:
        return break_off(state, event.at) if style.interruptible else (state, [])
    return _resume(state, event.at)


def undecided(state: State, event: ev.Ticked, style: Style) -> Step:
    """Nobody has decided in time: it was an interruption if it goes on."""
    going_on = any(ear.speaking for ear in state.ears.values())
    return break_off(state, event.at) if going_on else _resume(state, event.at)


def due(state: State, style: Style) -> list[int]:
    """When it must be decided."""
    return [state.since + style.judge_within]


def _resume(state: State, at: int) -> Step:
    """It was not meant to take the floor: forget the sound and go on."""
    ears = {speaker: Ear(speaking=ear.speaking) for speaker, ear in state.ears.items()}
    return enter(replace(state, ears=ears), Phase.SPEAKING, at, [ev.Release()])


def _are_enough(event: ev.WordsHeard, style: Style) -> bool:
    """Different words: of a hum or a cough the recognition makes one word again and again."""
    return len({word.strip(".,!?…").lower() for word in event.text.split()} - {""}) >= style.interrupt_words
