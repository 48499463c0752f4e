"""The reply on its way: its text, its voice, its end, and what is done when one of them fails or does not come."""

from __future__ import annotations

from dataclasses import replace

from services.orchestrator.dialog import effects as fx
from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog.events import Phase
from services.orchestrator.dialog.state import SpeakerState, State, Step, Style, current, enter, forget_turn, resumed


def drafted(state: State, event: ev.Drafted, style: Style) -> Step:
    """The sound of a reply that nobody has asked for yet is prepared; nothing of it is heard."""
    wanted = state.candidate and event.turn_id == state.turn_id and state.phase.quiet
    return state, [fx.Prepare(event.turn_id, event.text)] if wanted else []


def text_came(state: State, event: ev.ReplyText, style: Style) -> Step:
    """A piece of the reply; one of a turn that is over is dropped."""
    if not current(state, event.turn_id):
        return state, [fx.DropStale(event.turn_id, "text")]
    return replace(state, spoken=True, since=_alive(state, event.at)), [fx.Say(event.turn_id, event.text)]


def text_ended(state: State, event: ev.ReplyDone, style: Style) -> Step:
    """The text is complete; without any words the turn is over."""
    if not current(state, event.turn_id):
        return state, []
    state = replace(state, text_done=True, since=_alive(state, event.at))
    if not state.spoken and not state.filled:
        # A reply without words: nothing will be played, so nothing would end the turn.
        return enter(forget_turn(state), Phase.LISTENING, event.at, [fx.CloseTurn(event.turn_id, interrupted=False)])
    return state, [fx.SayEnd(event.turn_id)]


def text_failed(state: State, event: ev.ReplyFailed, style: Style) -> Step:
    """What has been said stands; when that is nothing, the reply is asked for once more, and then apologised for."""
    if not current(state, event.turn_id) or state.text_done:
        return state, []
    if state.spoken:
        return replace(state, text_done=True), [fx.Notify("reply_cut_short"), fx.SayEnd(event.turn_id)]
    said = state.answering
    if event.retryable and not state.retried and not state.filled and said is not None:
        turn_id = state.turn_id + 1
        state = replace(state, turn_id=turn_id, retried=True, since=event.at)
        return state, [fx.Cancel(event.turn_id), fx.Commit(turn_id, said)]
    state = replace(state, text_done=True, spoken=True, since=event.at)
    return state, [fx.Notify("llm_failed"), fx.Cancel(event.turn_id), fx.Apologise(event.turn_id), fx.SayEnd(event.turn_id)]


def voice_failed(state: State, event: ev.VoiceFailed, style: Style) -> Step:
    """The reply was shown instead of spoken, and is over."""
    return _over(state, event.turn_id, event.at, style) if current(state, event.turn_id) else (state, [])


def playback_began(state: State, event: ev.PlaybackChanged, style: Style) -> Step:
    """While thinking: the first sound makes it speaking."""
    if event.state is ev.PlaybackState.STARTED and current(state, event.turn_id):
        return enter(replace(state, audible_at=event.at), Phase.SPEAKING, event.at, [])
    return playback_ended(state, event, style)


def playback_ended(state: State, event: ev.PlaybackChanged, style: Style) -> Step:
    """The last sound of the reply was played."""
    if event.state is ev.PlaybackState.STARTED or not current(state, event.turn_id):
        return state, []
    return _over(state, event.turn_id, event.at, style)


def waited(state: State, event: ev.Ticked, style: Style) -> Step:
    """Nothing has come for a while: a filler is due, or the reply has failed."""
    if event.at < state.since + style.stuck_after:
        return replace(state, filled=True), [fx.Fill(state.turn_id)]
    if state.text_done:
        state, effects = voice_failed(state, ev.VoiceFailed(event.at, state.turn_id), style)
        return state, [fx.Notify("voice_stuck"), *effects]
    return text_failed(state, ev.ReplyFailed(event.at, state.turn_id, retryable=True), style)


def due(state: State, style: Style) -> list[int]:
    """When something of the reply must have come."""
    if state.phase is Phase.SPEAKING and state.text_done:
        return []
    return [state.since + style.stuck_after, *_filler_due(state, style)]


def _filler_due(state: State, style: Style) -> list[int]:
    said = state.answering
    if style.filler_after is None or said is None or state.spoken or state.filled or state.phase is not Phase.THINKING:
        return []
    return [max(said.ended_at + style.filler_after, state.since + style.filler_patience)]


def _over(state: State, turn_id: int, at: int, style: Style) -> Step:
    state = replace(state, people={speaker: _after_reply(person, at, style) for speaker, person in state.people.items()})
    return enter(forget_turn(state), Phase.LISTENING, at, [fx.CloseTurn(turn_id, interrupted=False)])


def _after_reply(person: SpeakerState, at: int, style: Style) -> SpeakerState:
    """Words that were said over the reply are answers only to its end; of manual turns, all count."""
    if style.manual_turns or person.speaking or person.last_speech_at >= at - style.answer_within:
        return resumed(person)
    return SpeakerState()


def _alive(state: State, at: int) -> int:
    return at if state.phase in (Phase.THINKING, Phase.SPEAKING) else state.since
