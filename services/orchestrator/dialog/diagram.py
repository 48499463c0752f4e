"""Draws the dialog machine from its own rules: `python -m services.orchestrator.dialog.diagram` prints it as Mermaid.

The rules are functions, so the changes of phase are found by trying: every event that could happen, again and again, in
conversations that go on at random but are the same each time.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from services.common.output import tell
from services.common.reading.reading import Reading
from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog import machine
from services.orchestrator.dialog.events import Contribution, Evidence, OverlapKind, Phase, PlaybackState, ms
from services.orchestrator.dialog.state import State, Style, person_of, words_of

_SEED: Final = 2
_CONVERSATIONS: Final = 500
_EVENTS: Final = 120
_SPEAKER: Final = "Spk1"
_OTHER: Final = "Spk2"
_STYLE: Final = Style(backchannel_every=ms(8000), prompts=True, waits=True)
#: What may happen, given the time, the state and chance.
_HAPPENINGS: Final[tuple[Callable[[int, State, random.Random], ev.Event], ...]] = (
    lambda at, state, chance: ev.SpeechStarted(at, _SPEAKER),
    lambda at, state, chance: ev.WordsHeard(at, _SPEAKER, chance.choice(("where", "where did you", "wait a moment"))),
    lambda at, state, chance: ev.SpeechStopped(at, _SPEAKER, last_speech_at=at - ms(200)),
    lambda at, state, chance: ev.WordsFinal(
        at, _SPEAKER, state.flushes, chance.choice(("where did you go", "wait a moment", ""))
    ),
    lambda at, state, chance: ev.EndOfTurn(
        at,
        _SPEAKER,
        chance.choice((0.0, 0.2, 0.9)),
        chance.choice((0.0, 0.1, 9.0)),
        words_of(person_of(state, _SPEAKER)),
        Reading(asks=1.0),
    ),
    lambda at, state, chance: ev.SpeechSuspected(at, _SPEAKER),
    lambda at, state, chance: ev.Overlapped(at, _SPEAKER, chance.choice(tuple(OverlapKind)), chance.choice((0.5, 0.9))),
    lambda at, state, chance: ev.Opportunity(at, _SPEAKER, 0.9),
    lambda at, state, chance: ev.TextTyped(
        at, Contribution(chance.choice((_SPEAKER, _OTHER)), "and then", typed=True, ended_at=at)
    ),
    lambda at, state, chance: ev.Interrupted(at),
    lambda at, state, chance: ev.Drafted(at, state.turn_id, "Well. "),
    lambda at, state, chance: ev.Addressed(
        at,
        state.turn_id,
        state.answering.text if state.answering else "where did you go",
        Evidence(0.5, model=chance.choice((0.0, 0.9))),
    ),
    lambda at, state, chance: ev.ReplyText(at, state.turn_id, "Well. "),
    lambda at, state, chance: ev.ReplyDone(at, state.turn_id),
    lambda at, state, chance: ev.ReplyFailed(at, state.turn_id, retryable=chance.random() < 0.5),
    lambda at, state, chance: ev.VoiceFailed(at, state.turn_id),
    lambda at, state, chance: ev.PlaybackChanged(at, state.turn_id, chance.choice(tuple(PlaybackState))),
    lambda at, state, chance: ev.Greeted(at, "Hello."),
)

Edges = dict[tuple[Phase, Phase], set[str]]


def edges() -> Edges:
    """Which events lead from one phase to another."""
    chance, found = random.Random(_SEED), Edges()
    for _ in range(_CONVERSATIONS):
        state, at = State(), 0
        for _ in range(_EVENTS):
            at += chance.choice((ms(20), ms(300), ms(900), ms(12_000)))
            due = machine.deadline(state, _STYLE)
            # In time, so that nothing else is taken for what the time has brought about.
            while due is not None and due <= at:
                at = max(at, due + 1)
                state = _step(state, ev.Ticked(due + 1), found)
                due = machine.deadline(state, _STYLE)
            state = _step(state, chance.choice(_HAPPENINGS)(at, state, chance), found)
    return found


def mermaid() -> str:
    """The diagram."""
    lines = ["stateDiagram-v2", "    [*] --> LISTENING"]
    for (before, after), causes in sorted(edges().items(), key=lambda item: (item[0][0].name, item[0][1].name)):
        lines.append(f"    {before.name} --> {after.name}: {', '.join(sorted(causes))}")
    return "\n".join(lines)


def _step(state: State, event: ev.Event, found: Edges) -> State:
    after, _ = machine.step(state, event, _STYLE)
    if after.phase is not state.phase:
        found.setdefault((state.phase, after.phase), set()).add(type(event).__name__)
    return after


if __name__ == "__main__":
    tell([mermaid()])
