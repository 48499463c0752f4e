"""What each speaker has said so far, and when it is complete."""

from __future__ import annotations

from dataclasses import replace

from services.orchestrator import events as ev
from services.orchestrator.dialog.state import Ear, Rules, State, Step, Style, ear_of, join, with_ear
from services.orchestrator.dialog.wording import asking, beginning, hesitating, telling
from services.orchestrator.events import Contribution


def speech_started(state: State, event: ev.SpeechStarted, style: Style) -> Step:
    """Somebody speaks."""
    ear = replace(ear_of(state, event.speaker), speaking=True, probability=0.0)
    return with_ear(state, event.speaker, ear), []


def speech_stopped(state: State, event: ev.SpeechStopped, style: Style) -> Step:
    """The first silence: the final words are asked for, long before the turn is over."""
    ear = replace(ear_of(state, event.speaker), speaking=False, last_speech_at=event.last_speech_at, probability=0.0)
    return flush(with_ear(state, event.speaker, ear), event.speaker)


def end_of_turn(state: State, event: ev.EndOfTurn, style: Style) -> Step:
    """How sure the detector is that this silence ends a turn."""
    ear = ear_of(state, event.speaker)
    if ear.speaking:
        return state, []
    return with_ear(state, event.speaker, replace(ear, probability=event.probability)), []


def words_heard(state: State, event: ev.WordsHeard, style: Style) -> Step:
    """A partial result; the same state when it is the one that is known."""
    ear = ear_of(state, event.speaker)
    if event.text == ear.partial:
        return state, []
    return with_ear(state, event.speaker, replace(ear, partial=event.text, partial_at=event.at)), []


def words_final(state: State, event: ev.WordsFinal, style: Style) -> Step:
    """Words that will not change any more."""
    ear = ear_of(state, event.speaker)
    newest = event.flush_id == ear.flush_id
    ear = replace(
        ear,
        heard=join(ear.heard, event.text),
        partial="" if newest else ear.partial,
        flush_id=0 if newest else ear.flush_id,
        addressee=event.addressee or ear.addressee,
        closing=ear.closing and bool(ear.heard or event.text or not newest),
    )
    return with_ear(state, event.speaker, ear), []


def words_stopped(state: State, event: ev.Ticked, style: Style) -> Step:
    """Without the turn service: no new words for a while are a silence."""
    for speaker, ear in state.ears.items():
        if "turn" in state.lost and ear.partial and not ear.flush_id and event.at >= ear.partial_at + style.voiceless_endpoint:
            state = with_ear(state, speaker, replace(ear, last_speech_at=ear.partial_at, probability=1.0))
            return flush(state, speaker)
    return state, []


def close(state: State, speaker: str, at: int) -> Step:
    """The speaker says that the turn is over: it is, as soon as its last words are known."""
    ear = replace(ear_of(state, speaker), speaking=False, last_speech_at=at, closing=True)
    return flush(with_ear(state, speaker, ear), speaker)


def flush(state: State, speaker: str) -> Step:
    """Asks the recognition for the final words, if there is one."""
    if "asr" in state.lost:
        return with_ear(state, speaker, replace(ear_of(state, speaker), partial="")), []
    flush_id = state.flushes + 1
    state = replace(state, flushes=flush_id)
    state = with_ear(state, speaker, replace(ear_of(state, speaker), flush_id=flush_id))
    return state, [ev.Flush(speaker, flush_id)]


def complete(state: State, at: int, style: Style) -> Contribution | None:
    """The contribution of the first speaker whose turn is over, if there is one."""
    for speaker, ear in state.ears.items():
        if ear.speaking or not ear.heard or ear.flush_id or (style.manual_turns and not ear.closing):
            continue
        if not ear.closing and at - ear.last_speech_at < _silence_needed(ear, style) and not state.finishing:
            continue
        if at < ear.waits_until and not state.finishing:
            continue
        return Contribution(speaker, ear.heard, ear.addressee, ended_at=ear.last_speech_at)
    return None


def due(state: State, style: Style) -> list[int]:
    """When a silence will have lasted long enough."""
    if style.manual_turns:
        return []
    times: list[int] = []
    for ear in state.ears.values():
        if not ear.speaking and ear.heard and not ear.flush_id:
            times.append(max(ear.last_speech_at + _silence_needed(ear, style), ear.waits_until))
        elif "turn" in state.lost and ear.partial and not ear.flush_id:
            times.append(ear.partial_at + style.voiceless_endpoint)
    return times


def silence_needed(text: str, probability: float, style: Style) -> int:
    """How long after the last speech a turn of these words is over, in samples, while the detector is so sure."""
    rules = _rules(text, style)
    if hesitating(text):
        return rules[-1][0]
    needed = min((silence for silence, least in rules if probability >= least), default=rules[-1][0])
    return max(needed, style.story_silence) if telling(text) else needed


def _rules(text: str, style: Style) -> Rules:
    if asking(text):
        return style.question_rules
    return style.beginning_rules if beginning(text) else style.endpoint_rules


def _silence_needed(ear: Ear, style: Style) -> int:
    return silence_needed(ear.heard, ear.probability, style)
