"""Who has the floor: contributions take it, the persona yields it. From and to LISTENING and THINKING."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from services.common.reading.reading import LIKELY, Reading
from services.orchestrator.dialog import addressee, endpointing, participants, quiet
from services.orchestrator.dialog import effects as fx
from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog.effects import Effect
from services.orchestrator.dialog.events import Contribution, Phase, ms
from services.orchestrator.dialog.state import (
    SpeakerState,
    State,
    Step,
    Style,
    Testimony,
    current,
    enter,
    forget_turn,
    join,
    person_of,
    resumed,
    with_person,
)

#: Evidence that has not come so long after the words is not waited for: the llm gives none, or is too slow.
_EVIDENCE: Final = ms(1_500)

# --- while listening: thinking along, and the commit --------------------------------------------------------------------


def words_heard(state: State, event: ev.WordsHeard, style: Style) -> Step:
    """The persona thinks along while somebody speaks."""
    heard, effects = endpointing.words_heard(state, event, style)
    if heard is state or not event.text:
        return heard, effects
    return _think_along(heard, event.speaker, join(person_of(heard, event.speaker).heard, event.text), style, draft=False)


def words_final(state: State, event: ev.WordsFinal, style: Style) -> Step:
    """The words are known; what they say is, too, when they have been read."""
    state, effects = endpointing.words_final(state, event, style)
    state, more = _draft(state, event.speaker, style)
    return state, effects + more


def end_of_turn(state: State, event: ev.EndOfTurn, style: Style) -> Step:
    """The first after the final words has read them: what would the persona say to that?"""
    state, effects = endpointing.end_of_turn(state, event, style)
    state, more = _draft(state, event.speaker, style)
    return state, effects + more


def _draft(state: State, speaker: str, style: Style) -> Step:
    """The persona drafts a reply to all that was said, though the turn may go on: not where it surely will, and not often."""
    person = person_of(state, speaker)
    if person.speaking or person.flush_id or person.heard in ("", person.considered):
        return state, []
    # Who says that the turn is over waits for no reading.
    if endpointing.unread(state, person) and not (person.closing or state.finishing):
        return state, []
    reading = endpointing.reading_of(person, person.heard) or Reading()
    goes_on = max(reading.looks_for_words, reading.tells_a_story) >= LIKELY
    draft = person.drafts < style.drafts_a_turn and not goes_on
    person = replace(person, drafts=person.drafts + draft, considered=person.heard)
    state = with_person(state, speaker, person)
    return _think_along(state, speaker, person.heard, style, draft=draft or reading.asks >= LIKELY)


def _think_along(state: State, speaker: str, text: str, style: Style, *, draft: bool) -> Step:
    if not state.candidate:
        state = replace(state, turn_id=state.turn_id + 1, candidate=True)
    person = person_of(state, speaker)
    who = participants.speaker_of(state.participants, speaker)
    said = Contribution(who, text, person.addressee, ended_at=person.last_speech_at, microphone=speaker)
    # None: it is sure who is meant, or only what is said later will tell.
    guess = addressee.in_doubt(state.participants, said, style.names) if draft else None
    # What will only be noted keeps nobody waiting: so it waits for evidence against that.
    noted = guess is not None and "llm" not in state.lost and guess.to(None)
    state = with_person(state, speaker, replace(person, waits_until=person.last_speech_at + _EVIDENCE if noted else 0))
    other = guess.other if guess else ""
    return replace(state, testimony=None), [fx.Prefill(state.turn_id, who, text, draft, other)]


def addressed(state: State, event: ev.Addressed, style: Style) -> Step:
    """What the llm knows of whom the words of a draft are meant for.

    It is not waited for; when it comes while nothing of the reply is audible, a reply that nobody wants is dropped.
    """
    if state.candidate and event.turn_id == state.turn_id:
        people = {
            name: replace(person, waits_until=0) if person.heard == event.text else person
            for name, person in state.people.items()
        }
        return replace(state, people=people, testimony=Testimony(event.text, event.evidence)), []
    said = state.answering
    late = state.phase is Phase.THINKING and current(state, event.turn_id) and said is not None and said.text == event.text
    other = state.doubt.to(event.evidence) if late and state.doubt else ""
    if said is None or not other:
        return state, []
    there, said = addressee.redirected(state.participants, said, other)
    effects: list[Effect] = [fx.Cancel(state.turn_id), fx.Silence(state.turn_id, state.turn_id + 1), fx.Note(said)]
    return enter(forget_turn(replace(state, participants=there)), Phase.LISTENING, event.at, effects)


def commit_when_ready(state: State, at: int, style: Style) -> Step:
    """While the persona listens, whoever has finished is answered."""
    said = endpointing.complete(state, at, style) if state.phase.quiet else None
    if said is None:
        return state, []
    state = with_person(state, said.speaker, SpeakerState())
    there, said = participants.voiced(state.participants, said)
    return contribute(replace(state, participants=there), said, at, style)


def contribute(state: State, said: Contribution, at: int, style: Style) -> Step:
    """A contribution is complete: answer it, or only remember it when it was meant for somebody else."""
    state, said = _judged(state, said, style)
    return _noted(state, said, at) if said.addressee else _answer(state, said, at, style)


def _noted(state: State, said: Contribution, at: int) -> Step:
    """Others talk to each other: the silence counts from here, not from what the persona itself did last."""
    return replace(state, since=at) if state.phase.quiet else state, [fx.Note(said)]


def notice(state: State, event: ev.Event) -> State:
    """Takes in whose voice is heard, whatever the phase is."""
    there = state.participants
    if isinstance(event, ev.SpeechStarted) and not person_of(state, event.speaker).heard:
        there = participants.unvoiced(there, event.speaker)
    there = participants.notice(there, event)
    return state if there is state.participants else replace(state, participants=there)


def meant(state: State, microphone: str, said: Contribution, style: Style) -> str:
    """Whom words are meant for, with what was said on that microphone before; empty for the persona."""
    text = join(person_of(state, microphone).heard, said.text)
    return addressee.judged(state.participants, replace(said, text=text), style.names)[1].addressee


def joined(state: State, event: ev.Joined, style: Style) -> Step:
    """Somebody has a microphone, and may be meant."""
    return replace(state, participants=participants.joined(state.participants, event.speaker)), []


def left(state: State, event: ev.Left, style: Style) -> Step:
    """Somebody has gone: what they had begun to say is not waited for, and whoever is alone now means the persona."""
    people = {speaker: person for speaker, person in state.people.items() if speaker != event.speaker}
    return replace(state, people=people, participants=participants.left(state.participants, event.speaker)), []


def named(state: State, event: ev.Named, style: Style) -> Step:
    """A client says what somebody is called."""
    return replace(state, participants=participants.named(state.participants, event.speaker, event.name)), []


def relabelled(state: State, event: ev.Relabelled, style: Style) -> Step:
    """Two that were told apart are one."""
    return replace(state, participants=participants.relabelled(state.participants, event.speaker, event.known)), []


def _judged(state: State, said: Contribution, style: Style) -> tuple[State, Contribution]:
    evidence = state.testimony.evidence if state.testimony and state.testimony.text == said.text else None
    doubt = addressee.in_doubt(state.participants, said, style.names) if evidence is None else None
    there, said = addressee.judged(state.participants, said, style.names, evidence)
    return replace(state, participants=there, testimony=None, doubt=doubt), said


def _answer(state: State, said: Contribution, at: int, style: Style) -> Step:
    state = replace(state, spoken_to=True, prompted=0, held=False)
    if style.waits and quiet.asks_to_wait(said):
        return quiet.wait_for(state, said, at)
    turn_id = state.turn_id if state.candidate else state.turn_id + 1
    state = replace(forget_turn(state), turn_id=turn_id, candidate=False, answering=said)
    return enter(state, Phase.THINKING, at, [fx.Commit(turn_id, said)])


def greeted(state: State, event: ev.Greeted, style: Style) -> Step:
    """The persona speaks first, if nothing was said before."""
    if state.turn_id:
        return state, []
    state = replace(state, turn_id=1, text_done=True, spoken=True)
    return enter(state, Phase.THINKING, event.at, [fx.Say(1, event.text), fx.SayEnd(1)])


# --- while thinking -----------------------------------------------------------------------------------------------------


def taken_back(state: State, event: ev.SpeechStarted, style: Style) -> Step:
    """The user goes on speaking before anything was audible: drop the reply, keep the words."""
    state, _ = endpointing.speech_started(state, event, style)
    if style.manual_turns:
        return state, []
    said = state.answering
    effects: list[Effect] = [fx.Cancel(state.turn_id), fx.Silence(state.turn_id, state.turn_id + 1)]
    if said is not None and said.came_from == event.speaker and not said.typed:
        person = person_of(state, event.speaker)
        person = replace(person, heard=join(said.text, person.heard), last_speech_at=said.ended_at)
        state = with_person(state, event.speaker, person)
        state = replace(state, participants=participants.revoiced(state.participants, said))
    elif said is not None:
        effects.append(fx.Note(said))
    return enter(forget_turn(state), Phase.LISTENING, event.at, effects)


# --- in every phase: the floor is asked for -----------------------------------------------------------------------------


def turn_ended(state: State, event: ev.TurnEnded, style: Style) -> Step:
    """What the speaker has said is complete, however it sounded; it also takes the floor."""
    state, effects = _yield_floor(state, event.at)
    state, more = endpointing.close(state, event.speaker, event.at)
    return state, effects + more


def text_typed(state: State, event: ev.TextTyped, style: Style) -> Step:
    """A typed contribution takes the floor, unless it is meant for somebody else."""
    state, said = _judged(state, event.contribution, style)
    if said.addressee:
        return _noted(state, said, event.at)
    state, effects = _yield_floor(_without_asides(state, style), event.at)
    state, more = _answer(state, said, event.at, style)
    return state, effects + more


def interrupted(state: State, event: ev.Interrupted, style: Style) -> Step:
    """The user pressed stop."""
    return _yield_floor(_without_asides(state, style), event.at)


def _without_asides(state: State, style: Style) -> State:
    """Little words that the persona has gone on over are no contribution."""
    if state.phase is not Phase.SPEAKING or style.manual_turns:
        return state
    return replace(state, people={speaker: SpeakerState(speaking=person.speaking) for speaker, person in state.people.items()})


def _yield_floor(state: State, at: int) -> Step:
    """Whatever is being said or prepared stops."""
    if state.phase in (Phase.SPEAKING, Phase.PAUSED):
        return break_off(state, at)
    if state.phase is Phase.THINKING:
        effects: list[Effect] = [fx.Cancel(state.turn_id), fx.Silence(state.turn_id, state.turn_id + 1)]
        if state.answering is not None:
            effects.append(fx.Note(state.answering))
        return enter(forget_turn(state), Phase.LISTENING, at, effects)
    return state, []


def break_off(state: State, at: int) -> Step:
    """The reply that is audible ends here."""
    turn_id = state.turn_id
    effects: list[Effect] = [
        fx.Silence(turn_id, turn_id + 1),
        fx.CloseTurn(turn_id, interrupted=True),
    ]
    state = replace(state, people={speaker: resumed(person) for speaker, person in state.people.items()})
    return enter(forget_turn(state), Phase.LISTENING, at, effects)
