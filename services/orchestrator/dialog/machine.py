"""The dialog manager: who has the floor, and what happens next. A pure state machine.

`step(state, event, style)` returns the next state and the effects to carry out. No clock, no I/O: time is in the events, and
`deadline(state, style)` says when the next `Ticked` is due. The same events always give the same conversation.

This is the table of its rules; the rules stand beside it. A phase that has no rule for an event does nothing about it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from services.orchestrator.dialog import effects as fx
from services.orchestrator.dialog import endpointing, floor, overlap, quiet, reply
from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog.effects import Effect
from services.orchestrator.dialog.events import Phase
from services.orchestrator.dialog.state import Rule, State, Step, Style, with_person


def step(state: State, event: ev.Event, style: Style) -> Step:
    """The next state and the effects, in the order in which they must be carried out."""
    state = floor.notice(state, event)
    rule = ALWAYS.get(type(event)) or PHASES[state.phase].get(type(event), _nothing)
    state, effects = rule(state, event, style)
    state, more = floor.commit_when_ready(state, event.at, style)
    effects += more
    if state.finishing and not state.ended and _idle(state):
        state = replace(state, ended=True)
        effects.append(fx.End())
    return state, effects


def deadline(state: State, style: Style) -> int | None:
    """When `Ticked` must be sent if nothing else happens before; None: not at all."""
    return min(_DUE[state.phase](state, style), default=None)


def _nothing(state: State, event: ev.Event, style: Style) -> Step:
    return state, []


def _ticked(state: State, event: ev.Ticked, style: Style) -> Step:
    due = deadline(state, style)
    if due is None or event.at < due:
        return state, []
    return _WAITED[state.phase](state, event, style)


def _ability_changed(state: State, event: ev.AbilityChanged, style: Style) -> Step:
    if event.available:
        return replace(state, lost=state.lost - {event.ability}), []
    state = replace(state, lost=state.lost | {event.ability})
    if event.ability == "turn":
        # Nobody will report the end of what is being said now; the words' own rhythm decides from here.
        state = replace(state, people={speaker: replace(person, speaking=False) for speaker, person in state.people.items()})
    if event.ability == "asr":
        people = {speaker: replace(person, flush_id=0, partial="") for speaker, person in state.people.items()}
        state = replace(state, people=people)
    return state, []


def _finished(state: State, event: ev.Finished, style: Style) -> Step:
    state = replace(state, finishing=True)
    effects: list[Effect] = []
    for speaker, person in list(state.people.items()):
        if person.flush_id or not (person.speaking or person.partial):
            continue
        state = with_person(state, speaker, replace(person, speaking=False, last_speech_at=event.at))
        state, more = endpointing.flush(state, speaker)
        effects += more
    return state, effects


def _idle(state: State) -> bool:
    waiting = any(person.speaking or person.flush_id or person.heard for person in state.people.values())
    return state.phase.quiet and not waiting


#: Rules that are the same in every phase.
ALWAYS: Final[Mapping[type[ev.Event], Rule]] = {
    ev.SpeechStopped: endpointing.speech_stopped,
    ev.Joined: floor.joined,
    ev.Left: floor.left,
    ev.Named: floor.named,
    ev.Relabelled: floor.relabelled,
    ev.TurnEnded: floor.turn_ended,
    ev.TextTyped: floor.text_typed,
    ev.Interrupted: floor.interrupted,
    ev.Drafted: reply.drafted,
    ev.Addressed: floor.addressed,
    ev.ReplyText: reply.text_came,
    ev.ReplyDone: reply.text_ended,
    ev.ReplyFailed: reply.text_failed,
    ev.VoiceFailed: reply.voice_failed,
    ev.AbilityChanged: _ability_changed,
    ev.Finished: _finished,
    ev.Ticked: _ticked,
}

#: Rules of each phase.
PHASES: Final[Mapping[Phase, Mapping[type[ev.Event], Rule]]] = {
    Phase.LISTENING: {
        ev.SpeechStarted: endpointing.speech_started,
        ev.WordsHeard: floor.words_heard,
        ev.WordsFinal: floor.words_final,
        ev.EndOfTurn: floor.end_of_turn,
        ev.Greeted: floor.greeted,
        ev.Opportunity: quiet.opportunity,
    },
    Phase.SILENT: {
        ev.SpeechStarted: quiet.woken(endpointing.speech_started),
        ev.WordsHeard: quiet.woken(floor.words_heard),
        ev.WordsFinal: quiet.woken(floor.words_final),
        ev.EndOfTurn: endpointing.end_of_turn,
        ev.Greeted: quiet.woken(floor.greeted),
    },
    Phase.THINKING: {
        ev.SpeechStarted: floor.taken_back,
        ev.WordsHeard: endpointing.words_heard,
        ev.WordsFinal: endpointing.words_final,
        ev.EndOfTurn: endpointing.end_of_turn,
        ev.PlaybackChanged: reply.playback_began,
    },
    Phase.SPEAKING: {
        ev.SpeechSuspected: overlap.suspected,
        ev.SpeechStarted: overlap.speech_over_voice,
        ev.WordsHeard: overlap.words_over_voice,
        ev.WordsFinal: endpointing.words_final,
        ev.EndOfTurn: endpointing.end_of_turn,
        ev.Overlapped: overlap.interrupted,
        ev.PlaybackChanged: reply.playback_ended,
    },
    Phase.PAUSED: {
        ev.SpeechStarted: endpointing.speech_started,
        ev.WordsHeard: overlap.words_in_pause,
        ev.WordsFinal: endpointing.words_final,
        ev.EndOfTurn: endpointing.end_of_turn,
        ev.Overlapped: overlap.judged,
        ev.PlaybackChanged: reply.playback_ended,
    },
}

#: What each phase waits for, and what follows when it has waited long enough.
_DUE: Final[Mapping[Phase, Callable[[State, Style], list[int]]]] = {
    Phase.LISTENING: quiet.due,
    Phase.SILENT: quiet.never,
    Phase.THINKING: reply.due,
    Phase.SPEAKING: reply.due,
    Phase.PAUSED: overlap.due,
}
_WAITED: Final[Mapping[Phase, Rule]] = {
    Phase.LISTENING: quiet.waited,
    Phase.THINKING: reply.waited,
    Phase.SPEAKING: reply.waited,
    Phase.PAUSED: overlap.undecided,
}
