"""What the persona does while nobody asks anything of it: it nods, says "mm-hm", and speaks up after a long silence."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from services.common.reading.lists import any_of, lists
from services.common.reading.reading import LIKELY
from services.orchestrator.dialog import effects as fx
from services.orchestrator.dialog import endpointing
from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog.effects import Effect
from services.orchestrator.dialog.events import Contribution, Line, Phase
from services.orchestrator.dialog.state import Rule, State, Step, Style, enter, forget_turn, person_of

_MOST_PROMPTS: Final = 2
_LONGEST_REQUEST: Final = 9
_LISTS: Final = lists("en")
_WAIT: Final = re.compile(rf"\b{any_of(_LISTS.asking_to_wait)}\b", re.IGNORECASE)
_MORE: Final = re.compile(rf"\b{any_of(_LISTS.more_than_waiting)}\b", re.IGNORECASE)


def opportunity(state: State, event: ev.Opportunity, style: Style) -> Step:
    """A short pause in a long turn: a nod; in a story a word too, if the last is long enough ago and the turn not about to end.

    Outside stories a word would too often come when the turn is over: that is known only later than a word has to be said.
    """
    person = person_of(state, event.speaker)
    if person.speaking or style.manual_turns or state.finishing:
        return state, []
    nod = style.nods and event.at >= state.nodded_at + style.nod_every
    voice = (
        style.backchannel_every is not None
        and event.at >= state.backchannelled_at + style.backchannel_every
        and person.probability <= style.backchannel_below
        and person.reading is not None
        and person.reading.tells_a_story >= LIKELY
    )
    if not (nod or voice):
        return state, []
    state = replace(
        state,
        nodded_at=event.at if nod else state.nodded_at,
        backchannelled_at=event.at if voice else state.backchannelled_at,
    )
    return state, [fx.Backchannel(nod, voice)]


def waited(state: State, event: ev.Ticked, style: Style) -> Step:
    """Words that stopped without the turn service are a silence; otherwise it has been quiet for long."""
    if endpointing.due(state, style):
        return endpointing.words_stopped(state, event, style)
    last = state.participants.last
    others_talk = last is not None and last.to
    if state.held or others_talk or not state.spoken_to or state.prompted >= _MOST_PROMPTS or not style.prompts:
        return enter(state, Phase.SILENT, event.at, [])
    return speak_up(replace(state, prompted=state.prompted + 1), event.at, Line.PROMPT, [])


def due(state: State, style: Style) -> list[int]:
    """When a silence will have lasted long enough for something."""
    times = endpointing.due(state, style)
    if times or style.manual_turns or _anybody_busy(state):
        return times
    quiet_since = max([state.since, *(person.last_speech_at for person in state.people.values())])
    return [quiet_since + style.silent_after]


def never(state: State, style: Style) -> list[int]:
    """Nothing is waited for."""
    return []


def woken(rule: Rule) -> Rule:
    """The rule of LISTENING for an event that ends the silence."""

    def wake(state: State, event: ev.Event, style: Style) -> Step:
        state, effects = enter(state, Phase.LISTENING, event.at, [])
        state, more = rule(state, event, style)
        return state, effects + more

    return wake


def asks_to_wait(said: Contribution) -> bool:
    """Whether this is nothing but a request to wait: "hang on a second"."""
    text = said.text
    return len(text.split()) <= _LONGEST_REQUEST and bool(_WAIT.search(text)) and not _MORE.search(text)


def wait_for(state: State, said: Contribution, at: int) -> Step:
    """Somebody asks to wait: yes, and not a word more until they speak again."""
    return speak_up(replace(state, held=True), at, Line.WAIT, [fx.Note(said)])


def speak_up(state: State, at: int, line: Line, effects: list[Effect]) -> Step:
    """A line of the persona's own as a turn, without asking for a reply. What was thought along with is forgotten."""
    if state.candidate:
        effects = [fx.Cancel(state.turn_id), *effects]
    turn_id = state.turn_id + 1
    state = replace(forget_turn(state), turn_id=turn_id, candidate=False, text_done=True, spoken=True)
    return enter(state, Phase.THINKING, at, [*effects, fx.SayLine(turn_id, line), fx.SayEnd(turn_id)])


def _anybody_busy(state: State) -> bool:
    return any(person.speaking or person.heard or person.partial or person.flush_id for person in state.people.values())
