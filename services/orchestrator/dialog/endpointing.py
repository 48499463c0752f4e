"""What each speaker has said so far, and when it is complete: once waiting costs more than breaking in, see `silence_needed`.

Words are read by the turn service, and what they say comes back a moment after they are final, with what waiting costs then.
Nothing is concluded from words that have not been read; but where the service is lost, or has no answer, the longest pause ends
the turn.
"""

from __future__ import annotations

import math
from dataclasses import replace

from services.common.reading.reading import LIKELY, Reading
from services.orchestrator.dialog import effects as fx
from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog.events import Contribution
from services.orchestrator.dialog.state import SpeakerState, State, Step, Style, join, person_of, with_person


def speech_started(state: State, event: ev.SpeechStarted, style: Style) -> Step:
    """Somebody speaks."""
    person = replace(person_of(state, event.speaker), speaking=True, probability=0.0, waiting_cost_s=0.0)
    return with_person(state, event.speaker, person), []


def speech_stopped(state: State, event: ev.SpeechStopped, style: Style) -> Step:
    """The first silence: the final words are asked for, long before the turn is over."""
    person = replace(
        person_of(state, event.speaker),
        speaking=False,
        last_speech_at=event.last_speech_at,
        probability=1.0 if event.unheard else 0.0,
        waiting_cost_s=math.inf if event.unheard else 0.0,
        unheard=event.unheard,
    )
    return flush(with_person(state, event.speaker, person), event.speaker)


def end_of_turn(state: State, event: ev.EndOfTurn, style: Style) -> Step:
    """How sure the detector is that this silence ends a turn, what waiting on costs, and what the words say."""
    person = person_of(state, event.speaker)
    if person.speaking:
        return state, []
    person = replace(person, probability=event.probability, waiting_cost_s=event.waiting_cost_s)
    if event.words is not None:
        person = replace(person, read=event.words, reading=event.reading)
    return with_person(state, event.speaker, person), []


def words_heard(state: State, event: ev.WordsHeard, style: Style) -> Step:
    """A partial result; the same state when it is the one that is known."""
    person = person_of(state, event.speaker)
    if event.text == person.partial:
        return state, []
    return with_person(state, event.speaker, replace(person, partial=event.text, partial_at=event.at)), []


def words_final(state: State, event: ev.WordsFinal, style: Style) -> Step:
    """Words that will not change any more."""
    person = person_of(state, event.speaker)
    newest = event.flush_id == person.flush_id
    person = replace(
        person,
        heard=join(person.heard, event.text),
        partial="" if newest else person.partial,
        flush_id=0 if newest else person.flush_id,
        addressee=event.addressee or person.addressee,
        closing=person.closing and bool(person.heard or event.text or not newest),
    )
    return with_person(state, event.speaker, person), []


def words_stopped(state: State, event: ev.Ticked, style: Style) -> Step:
    """Without the turn service: no new words for a while are a silence."""
    for speaker, person in state.people.items():
        if (
            "turn" in state.lost
            and person.partial
            and not person.flush_id
            and event.at >= person.partial_at + style.voiceless_endpoint
        ):
            ended = replace(person, last_speech_at=person.partial_at, probability=1.0, waiting_cost_s=math.inf)
            return flush(with_person(state, speaker, ended), speaker)
    return state, []


def close(state: State, speaker: str, at: int) -> Step:
    """The speaker says that the turn is over: it is, as soon as its last words are known."""
    person = replace(person_of(state, speaker), speaking=False, last_speech_at=at, closing=True)
    return flush(with_person(state, speaker, person), speaker)


def flush(state: State, speaker: str) -> Step:
    """Asks the recognition for the final words, if there is one."""
    if "asr" in state.lost:
        return with_person(state, speaker, replace(person_of(state, speaker), partial="")), []
    flush_id = state.flushes + 1
    state = replace(state, flushes=flush_id)
    state = with_person(state, speaker, replace(person_of(state, speaker), flush_id=flush_id, considered=""))
    return state, [fx.Flush(speaker, flush_id)]


def complete(state: State, at: int, style: Style) -> Contribution | None:
    """The contribution of the first speaker whose turn is over, if there is one."""
    for speaker, person in state.people.items():
        if person.speaking or not person.heard or person.flush_id or (style.manual_turns and not person.closing):
            continue
        if not (person.closing or state.finishing or at - person.last_speech_at >= _silence_needed(state, person, style)):
            continue
        if at < person.waits_until and not state.finishing:
            continue
        return Contribution(speaker, person.heard, person.addressee, ended_at=person.last_speech_at)
    return None


def due(state: State, style: Style) -> list[int]:
    """When a silence will have lasted long enough if nothing more is told of it."""
    if style.manual_turns:
        return []
    times: list[int] = []
    for person in state.people.values():
        if not person.speaking and person.heard and not person.flush_id:
            needed = _silence_needed(state, person, style)
            times.append(max(person.last_speech_at + needed, person.waits_until))
        elif "turn" in state.lost and person.partial and not person.flush_id:
            times.append(person.partial_at + style.voiceless_endpoint)
    return times


def silence_needed(waiting_cost_s: float, reading: Reading | None, style: Style) -> int:
    """The rule: how much silence ends a turn that is read so, in samples, while waiting on costs so much."""
    if reading is not None and reading.looks_for_words >= LIKELY:
        return style.longest_pause
    cost_s = waiting_cost_s * _urgency(reading, style)
    if cost_s <= 0:
        return style.longest_pause
    # How many times more a second of the gap must cost until waiting costs more than breaking in.
    more = style.breaking_in_cost_s / cost_s - 1
    needed = 0 if more <= 0 else style.gap_after + math.ceil(more / style.gap_costs * ev.CLOCK_HZ)
    if reading is not None and reading.tells_a_story >= LIKELY:
        needed = max(needed, style.story_silence)
    return min(needed, style.longest_pause)


def reading_of(person: SpeakerState, words: str) -> Reading | None:
    """What these words say, if it is known: a reading of other words says nothing of them."""
    return person.reading if person.read == words else None


def unread(state: State, person: SpeakerState) -> bool:
    """Whether it is still to be told what the final words say."""
    return person.read != person.heard and not person.unheard and "turn" not in state.lost


def _silence_needed(state: State, person: SpeakerState, style: Style) -> int:
    if unread(state, person):
        # No answer comes of a sound that the turn service took for no speech.
        return style.longest_pause
    return silence_needed(person.waiting_cost_s, reading_of(person, person.heard), style)


def _urgency(reading: Reading | None, style: Style) -> float:
    """How many times as much a second of waiting costs after words that are read so."""
    return style.awaited_costs if reading is not None and reading.asks >= LIKELY else 1.0
