"""The dialog manager: who has the floor, and what happens next. A pure state machine.

`step(state, event, style)` returns the next state and the effects to carry out. No clock, no I/O: time is in the events, and
`deadline(state, style)` says when the next `Ticked` is due. The same events always give the same conversation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from services.orchestrator import events as ev
from services.orchestrator.events import Contribution, Effect, Phase, ms

Step = tuple["State", list[Effect]]


@dataclass(frozen=True)
class Style:
    """How this persona converses."""

    endpoint_rules: tuple[tuple[int, float], ...] = ((ms(400), 0.5), (ms(600), 0.1), (ms(1200), 0.0))
    """(silence in samples, least end-of-turn probability): the turn is over as soon as one rule holds."""
    manual_turns: bool = False
    """Speakers say themselves when their turn is over, and only that: nothing is concluded from silence or speech."""
    interruptible: bool = True
    judge_within: int = ms(600)
    """Speech over the persona that is still undecided after this is an interruption if it goes on, else nothing."""
    interrupt_words: int = 2
    """This many words over the persona are an interruption, whatever the detector says."""
    stuck_after: int = ms(6000)
    """A reply of which nothing has come by then has failed."""
    filler_after: int | None = ms(650)
    """So long after a contribution without anything of the reply, a word shows that the persona is thinking; None: never."""
    filler_patience: int = ms(200)
    """But the reply has at least so long from its commit on."""
    voiceless_endpoint: int = ms(1200)
    """Without the turn service, this long without new words ends a turn."""


@dataclass(frozen=True)
class Ear:
    """What is known of one speaker since their last contribution."""

    speaking: bool = False
    last_speech_at: int = 0
    probability: float = 0.0
    """Newest end-of-turn probability of the silence that lasts."""
    heard: str = ""
    """Final words of the contribution so far."""
    partial: str = ""
    partial_at: int = 0
    flush_id: int = 0
    """The flush that is not answered yet; 0: none."""
    addressee: str = ""
    closing: bool = False
    """The speaker has said that the turn is over; its last words are awaited."""


@dataclass(frozen=True)
class State:
    phase: Phase = Phase.LISTENING
    turn_id: int = 0
    """The newest turn given out; it may still be a candidate that only thinks along."""
    candidate: bool = False
    """`turn_id` is not committed yet."""
    answering: Contribution | None = None
    """What the turn in hand answers."""
    since: int = 0
    """When the phase began, or, while THINKING or SPEAKING, when something of the reply last came."""
    retried: bool = False
    text_done: bool = False
    spoken: bool = False
    """Some text of the turn in hand went to the voice."""
    filled: bool = False
    """A filler did."""
    flushes: int = 0
    ears: Mapping[str, Ear] = field(default_factory=dict)
    lost: frozenset[str] = frozenset()
    finishing: bool = False
    ended: bool = False


def step(state: State, event: ev.Event, style: Style) -> Step:
    """The next state and the effects, in the order in which they must be carried out."""
    state, effects = _HANDLERS[type(event)](state, event, style)
    state, more = _commit_when_ready(state, event.at, style)
    effects += more
    if state.finishing and not state.ended and _idle(state):
        state = replace(state, ended=True)
        effects.append(ev.End())
    return state, effects


def deadline(state: State, style: Style) -> int | None:
    """When `Ticked` must be sent if nothing else happens before; None: not at all."""
    due: list[int] = []
    if state.phase is Phase.PAUSED:
        due.append(state.since + style.judge_within)
    elif state.phase is Phase.THINKING or (state.phase is Phase.SPEAKING and not state.text_done):
        due.append(state.since + style.stuck_after)
        due += _filler_due(state, style)
    elif state.phase is Phase.LISTENING and not style.manual_turns:
        for ear in state.ears.values():
            if not ear.speaking and ear.heard and not ear.flush_id:
                due.append(ear.last_speech_at + _silence_needed(ear, style))
            elif "turn" in state.lost and ear.partial and not ear.flush_id:
                due.append(ear.partial_at + style.voiceless_endpoint)
    return min(due) if due else None


# --- listening ----------------------------------------------------------------------------------------------------------


def _speech_started(state: State, event: ev.SpeechStarted, style: Style) -> Step:
    ear = replace(_ear(state, event.speaker), speaking=True, probability=0.0)
    state = _with_ear(state, event.speaker, ear)
    if style.manual_turns:
        return state, []
    if state.phase is Phase.SPEAKING and style.interruptible:
        return _enter(state, Phase.PAUSED, event.at, [ev.Hold()])
    if state.phase is Phase.THINKING:
        return _take_back(state, event.speaker, event.at)
    return state, []


def _take_back(state: State, speaker: str, at: int) -> Step:
    """The user goes on speaking before anything was audible: drop the reply, keep the words."""
    said = state.answering
    effects: list[Effect] = [ev.Cancel(state.turn_id), ev.Silence(state.turn_id, state.turn_id + 1)]
    if said is not None and said.speaker == speaker and not said.typed:
        ear = _ear(state, speaker)
        state = _with_ear(state, speaker, replace(ear, heard=_join(said.text, ear.heard), last_speech_at=said.ended_at))
    elif said is not None:
        effects.append(ev.Note(said))
    return _enter(_forget_turn(state), Phase.LISTENING, at, effects)


def _speech_stopped(state: State, event: ev.SpeechStopped, style: Style) -> Step:
    ear = replace(_ear(state, event.speaker), speaking=False, last_speech_at=event.last_speech_at, probability=0.0)
    return _flush(_with_ear(state, event.speaker, ear), event.speaker)


def _flush(state: State, speaker: str) -> Step:
    if "asr" in state.lost:
        return _with_ear(state, speaker, replace(_ear(state, speaker), partial="")), []
    flush_id = state.flushes + 1
    state = replace(state, flushes=flush_id)
    state = _with_ear(state, speaker, replace(_ear(state, speaker), flush_id=flush_id))
    return state, [ev.Flush(speaker, flush_id)]


def _end_of_turn(state: State, event: ev.EndOfTurn, style: Style) -> Step:
    ear = _ear(state, event.speaker)
    if ear.speaking:
        return state, []
    return _with_ear(state, event.speaker, replace(ear, probability=event.probability)), []


def _words_heard(state: State, event: ev.WordsHeard, style: Style) -> Step:
    ear = _ear(state, event.speaker)
    if event.text == ear.partial:
        return state, []
    state = _with_ear(state, event.speaker, replace(ear, partial=event.text, partial_at=event.at))
    if len(event.text.split()) >= style.interrupt_words and (
        state.phase is Phase.PAUSED or (state.phase is Phase.SPEAKING and "turn" in state.lost and style.interruptible)
    ):
        return _interrupt(state, event.at)
    if state.phase is Phase.LISTENING and event.text:
        return _think_along(state, event.speaker, _join(ear.heard, event.text), draft=False)
    return state, []


def _words_final(state: State, event: ev.WordsFinal, style: Style) -> Step:
    ear = _ear(state, event.speaker)
    if state.phase is Phase.SPEAKING and not style.manual_turns:
        # Said over the persona and judged not to be an interruption: it does not wait to be answered later.
        return _with_ear(state, event.speaker, Ear(speaking=ear.speaking)), []
    newest = event.flush_id == ear.flush_id
    ear = replace(
        ear,
        heard=_join(ear.heard, event.text),
        partial="" if newest else ear.partial,
        flush_id=0 if newest else ear.flush_id,
        addressee=event.addressee or ear.addressee,
        closing=ear.closing and bool(ear.heard or event.text or not newest),
    )
    state = _with_ear(state, event.speaker, ear)
    if state.phase is Phase.LISTENING and newest and ear.heard and not ear.speaking:
        return _think_along(state, event.speaker, ear.heard, draft=True)
    return state, []


def _think_along(state: State, speaker: str, text: str, *, draft: bool) -> Step:
    if not state.candidate:
        state = replace(state, turn_id=state.turn_id + 1, candidate=True)
    return state, [ev.Prefill(state.turn_id, speaker, text, draft)]


def _commit_when_ready(state: State, at: int, style: Style) -> Step:
    if state.phase is not Phase.LISTENING:
        return state, []
    for speaker, ear in state.ears.items():
        if ear.speaking or not ear.heard or ear.flush_id or (style.manual_turns and not ear.closing):
            continue
        if not ear.closing and at - ear.last_speech_at < _silence_needed(ear, style) and not state.finishing:
            continue
        said = Contribution(speaker, ear.heard, ear.addressee, ended_at=ear.last_speech_at)
        return _contribute(_with_ear(state, speaker, Ear()), said, at)
    return state, []


def _turn_ended(state: State, event: ev.TurnEnded, style: Style) -> Step:
    """What the speaker has said is complete, however it sounded; it also takes the floor."""
    state, effects = _yield_floor(state, event.at)
    ear = replace(_ear(state, event.speaker), speaking=False, last_speech_at=event.at, closing=True)
    state, more = _flush(_with_ear(state, event.speaker, ear), event.speaker)
    return state, effects + more


def _silence_needed(ear: Ear, style: Style) -> int:
    return min((silence for silence, least in style.endpoint_rules if ear.probability >= least), default=ms(3000))


def _contribute(state: State, said: Contribution, at: int) -> Step:
    """A contribution is complete: answer it, or only remember it when it was meant for somebody else."""
    if said.addressee:
        return state, [ev.Note(said)]
    turn_id = state.turn_id if state.candidate else state.turn_id + 1
    state = replace(_forget_turn(state), turn_id=turn_id, candidate=False, answering=said)
    return _enter(state, Phase.THINKING, at, [ev.Commit(turn_id, said)])


# --- typed text, buttons, greeting ----------------------------------------------------------------------------------------


def _text_typed(state: State, event: ev.TextTyped, style: Style) -> Step:
    said = event.contribution
    if said.addressee:
        return state, [ev.Note(said)]
    state, effects = _yield_floor(state, event.at)
    state, more = _contribute(state, said, event.at)
    return state, effects + more


def _interrupted(state: State, event: ev.Interrupted, style: Style) -> Step:
    return _yield_floor(state, event.at)


def _yield_floor(state: State, at: int) -> Step:
    """Whatever is being said or prepared stops."""
    if state.phase in (Phase.SPEAKING, Phase.PAUSED):
        return _interrupt(state, at)
    if state.phase is Phase.THINKING:
        effects: list[Effect] = [ev.Cancel(state.turn_id), ev.Silence(state.turn_id, state.turn_id + 1)]
        if state.answering is not None:
            effects.append(ev.Note(state.answering))
        return _enter(_forget_turn(state), Phase.LISTENING, at, effects)
    return state, []


def _greeted(state: State, event: ev.Greeted, style: Style) -> Step:
    if state.phase is not Phase.LISTENING or state.turn_id:
        return state, []
    state = replace(state, turn_id=1, text_done=True, spoken=True)
    return _enter(state, Phase.THINKING, event.at, [ev.Say(1, event.text), ev.SayEnd(1)])


# --- the reply ----------------------------------------------------------------------------------------------------------


def _reply_text(state: State, event: ev.ReplyText, style: Style) -> Step:
    if not _current(state, event.turn_id):
        return state, [ev.DropStale(event.turn_id, "text")]
    return replace(state, spoken=True, since=_alive(state, event.at)), [ev.Say(event.turn_id, event.text)]


def _reply_done(state: State, event: ev.ReplyDone, style: Style) -> Step:
    if not _current(state, event.turn_id):
        return state, []
    state = replace(state, text_done=True, since=_alive(state, event.at))
    if not state.spoken and not state.filled:
        # A reply without words: nothing will be played, so nothing would end the turn.
        return _enter(_forget_turn(state), Phase.LISTENING, event.at, [ev.CloseTurn(event.turn_id, interrupted=False)])
    return state, [ev.SayEnd(event.turn_id)]


def _reply_failed(state: State, event: ev.ReplyFailed, style: Style) -> Step:
    if not _current(state, event.turn_id) or state.text_done:
        return state, []
    if state.spoken:
        # What has been said stands; the rest is missing.
        return replace(state, text_done=True), [ev.Notify("reply_cut_short"), ev.SayEnd(event.turn_id)]
    said = state.answering
    if event.retryable and not state.retried and not state.filled and said is not None:
        turn_id = state.turn_id + 1
        state = replace(state, turn_id=turn_id, retried=True, since=event.at)
        return state, [ev.Cancel(event.turn_id), ev.Commit(turn_id, said)]
    state = replace(state, text_done=True, spoken=True, since=event.at)
    return state, [ev.Notify("llm_failed"), ev.Cancel(event.turn_id), ev.Apologise(event.turn_id), ev.SayEnd(event.turn_id)]


def _voice_failed(state: State, event: ev.VoiceFailed, style: Style) -> Step:
    if not _current(state, event.turn_id):
        return state, []
    return _enter(_forget_turn(state), Phase.LISTENING, event.at, [ev.CloseTurn(event.turn_id, interrupted=False)])


def _playback_changed(state: State, event: ev.PlaybackChanged, style: Style) -> Step:
    if not _current(state, event.turn_id):
        return state, []
    if event.state is ev.PlaybackState.STARTED:
        if state.phase is Phase.THINKING:
            return _enter(state, Phase.SPEAKING, event.at, [])
        return state, []
    return _enter(_forget_turn(state), Phase.LISTENING, event.at, [ev.CloseTurn(event.turn_id, interrupted=False)])


# --- interruption -------------------------------------------------------------------------------------------------------


def _overlapped(state: State, event: ev.Overlapped, style: Style) -> Step:
    if event.kind is ev.OverlapKind.INTERRUPTION:
        audible = state.phase in (Phase.PAUSED, Phase.SPEAKING)
        return _interrupt(state, event.at) if audible and style.interruptible else (state, [])
    return _resume(state, event.at) if state.phase is Phase.PAUSED else (state, [])


def _resume(state: State, at: int) -> Step:
    """It was not meant to take the floor: forget the sound and go on."""
    ears = {speaker: Ear(speaking=ear.speaking) for speaker, ear in state.ears.items()}
    return _enter(replace(state, ears=ears), Phase.SPEAKING, at, [ev.Release()])


def _interrupt(state: State, at: int) -> Step:
    turn_id = state.turn_id
    effects: list[Effect] = [
        ev.Silence(turn_id, turn_id + 1),
        ev.CloseTurn(turn_id, interrupted=True),
    ]
    return _enter(_forget_turn(state), Phase.LISTENING, at, effects)


# --- the world ----------------------------------------------------------------------------------------------------------


def _ability_changed(state: State, event: ev.AbilityChanged, style: Style) -> Step:
    if event.available:
        return replace(state, lost=state.lost - {event.ability}), []
    state = replace(state, lost=state.lost | {event.ability})
    if event.ability == "turn":
        # Nobody will report the end of what is being said now; the words' own rhythm decides from here.
        state = replace(state, ears={speaker: replace(ear, speaking=False) for speaker, ear in state.ears.items()})
    if event.ability == "asr":
        ears = {speaker: replace(ear, flush_id=0, partial="") for speaker, ear in state.ears.items()}
        state = replace(state, ears=ears)
    return state, []


def _finished(state: State, event: ev.Finished, style: Style) -> Step:
    state = replace(state, finishing=True)
    effects: list[Effect] = []
    for speaker, ear in list(state.ears.items()):
        if ear.flush_id or not (ear.speaking or ear.partial):
            continue
        state = _with_ear(state, speaker, replace(ear, speaking=False, last_speech_at=event.at))
        state, more = _flush(state, speaker)
        effects += more
    return state, effects


def _waited_for_reply(state: State, event: ev.Ticked, style: Style) -> Step:
    if event.at < state.since + style.stuck_after:
        return replace(state, filled=True), [ev.Fill(state.turn_id)]
    if state.text_done:
        state, effects = _voice_failed(state, ev.VoiceFailed(event.at, state.turn_id), style)
        return state, [ev.Notify("voice_stuck"), *effects]
    return _reply_failed(state, ev.ReplyFailed(event.at, state.turn_id, retryable=True), style)


def _ticked(state: State, event: ev.Ticked, style: Style) -> Step:
    due = deadline(state, style)
    if due is None or event.at < due:
        return state, []
    if state.phase is Phase.PAUSED:
        going_on = any(ear.speaking for ear in state.ears.values())
        return _interrupt(state, event.at) if going_on else _resume(state, event.at)
    if state.phase is not Phase.LISTENING:
        return _waited_for_reply(state, event, style)
    for speaker, ear in state.ears.items():
        if "turn" in state.lost and ear.partial and not ear.flush_id and event.at >= ear.partial_at + style.voiceless_endpoint:
            state = _with_ear(state, speaker, replace(ear, last_speech_at=ear.partial_at, probability=1.0))
            return _flush(state, speaker)
    return state, []


# --- small parts --------------------------------------------------------------------------------------------------------


def _ear(state: State, speaker: str) -> Ear:
    return state.ears.get(speaker, Ear())


def _with_ear(state: State, speaker: str, ear: Ear) -> State:
    return replace(state, ears={**state.ears, speaker: ear})


def _enter(state: State, phase: Phase, at: int, effects: list[Effect]) -> Step:
    shown: list[Effect] = [ev.Show(phase, state.turn_id)] if phase is not state.phase else []
    return replace(state, phase=phase, since=at), [*effects, *shown]


def _forget_turn(state: State) -> State:
    """The turn in hand is over; the next turn_id is taken so that all that is left of it is stale."""
    return replace(
        state,
        turn_id=state.turn_id + 1,
        candidate=True,
        answering=None,
        retried=False,
        text_done=False,
        spoken=False,
        filled=False,
    )


def _current(state: State, turn_id: int) -> bool:
    return turn_id == state.turn_id and not state.candidate and state.phase is not Phase.LISTENING


def _filler_due(state: State, style: Style) -> list[int]:
    said = state.answering
    if style.filler_after is None or said is None or state.spoken or state.filled or state.phase is not Phase.THINKING:
        return []
    return [max(said.ended_at + style.filler_after, state.since + style.filler_patience)]


def _alive(state: State, at: int) -> int:
    return at if state.phase in (Phase.THINKING, Phase.SPEAKING) else state.since


def _idle(state: State) -> bool:
    waiting = any(ear.speaking or ear.flush_id or ear.heard for ear in state.ears.values())
    return state.phase is Phase.LISTENING and not waiting


def _join(first: str, second: str) -> str:
    return f"{first} {second}".strip()


_HANDLERS: Final[Mapping[type[ev.Event], Callable[..., Step]]] = {
    ev.SpeechStarted: _speech_started,
    ev.SpeechStopped: _speech_stopped,
    ev.EndOfTurn: _end_of_turn,
    ev.Overlapped: _overlapped,
    ev.WordsHeard: _words_heard,
    ev.WordsFinal: _words_final,
    ev.TurnEnded: _turn_ended,
    ev.TextTyped: _text_typed,
    ev.Interrupted: _interrupted,
    ev.Greeted: _greeted,
    ev.ReplyText: _reply_text,
    ev.ReplyDone: _reply_done,
    ev.ReplyFailed: _reply_failed,
    ev.VoiceFailed: _voice_failed,
    ev.PlaybackChanged: _playback_changed,
    ev.AbilityChanged: _ability_changed,
    ev.Finished: _finished,
    ev.Ticked: _ticked,
}
