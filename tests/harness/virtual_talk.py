"""Conversations with the dialog machine in virtual time: no sockets and no clock."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from services.common.reading.readers import english
from services.orchestrator.dialog import effects as fx
from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog import machine
from services.orchestrator.dialog.events import PlaybackState, ms
from services.orchestrator.dialog.state import SpeakerState, State, Style, words_of

#: So that what the machine does is tested apart from how patient it is.
RULES = ((ms(400), 0.75), (ms(900), 0.5), (ms(1800), 0.0))


class Talk:
    """A conversation: plays events at times in milliseconds, runs the ticks that fall due, keeps all effects.

    What is said is read at once, as the turn service does it in a silence; not when it is not to be `reads`.
    """

    def __init__(self, style: Style | None = None, *, reads: bool = True) -> None:
        self._reads = reads
        self.style = replace(style or Style(), question_rules=RULES, beginning_rules=RULES, endpoint_rules=RULES)
        self.state = State()
        self.at = 0
        self.effects: list[fx.Effect] = []

    def __call__(self, kind: type[ev.Event], at_ms: float, *args: Any, **fields: Any) -> list[fx.Effect]:
        self.until(at_ms)
        return self._step(kind(ms(at_ms), *args, **fields)) + self._read()

    def until(self, at_ms: float) -> list[fx.Effect]:
        made: list[fx.Effect] = []
        for _ in range(1000):
            due = machine.deadline(self.state, self.style)
            if due is None or due > ms(at_ms):
                return made
            made += self._step(ev.Ticked(max(due + 1, self.at)))
        raise AssertionError("the ticks make no progress")

    def _step(self, event: ev.Event) -> list[fx.Effect]:
        assert event.at >= self.at - 1, "time goes on"
        self.at = event.at
        self.state, effects = machine.step(self.state, event, self.style)
        self.effects += effects
        return effects

    def _read(self) -> list[fx.Effect]:
        """What the turn service answers when it is told words that it has not read."""
        made: list[fx.Effect] = []
        if not self._reads or "turn" in self.state.lost:
            return made
        for speaker, person in self.state.people.items():
            words = words_of(person)
            if words and words != person.read and not person.speaking:
                made += self._step(self.reading(speaker, person, words))
        return made

    def reading(self, speaker: str, person: SpeakerState, words: str) -> ev.EndOfTurn:
        """One answer."""
        return ev.EndOfTurn(self.at, speaker, person.probability, words, english().read(words))

    def of(self, kind: type[fx.Effect]) -> list[Any]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def say(self, text: str, start: float, end: float, speaker: str = "Spk1", p: float = 0.9) -> None:
        """Somebody says a whole contribution, and the services report it as they do."""
        self(ev.SpeechStarted, start, speaker)
        self(ev.WordsHeard, (start + end) / 2, speaker, text.split(maxsplit=1)[0])
        self(ev.SpeechStopped, end + 200, speaker, last_speech_at=ms(end))
        self(ev.WordsFinal, end + 230, speaker, self.state.flushes, text)
        self(ev.EndOfTurn, end + 240, speaker, p)
        self.until(end + 401)

    def answered(self, at: float, text: str = "In Maine. ") -> int:
        """The turn in hand is answered and its voice starts; returns its turn_id."""
        turn_id = self.state.turn_id
        self(ev.ReplyText, at, turn_id, text)
        self(ev.ReplyDone, at + 10, turn_id)
        self(ev.PlaybackChanged, at + 40, turn_id, PlaybackState.STARTED)
        return turn_id


def story(talk: Talk, start: float, parts: int, opening: str = "let me tell you") -> None:
    """Somebody tells something long: each part 3 s of speech and 0.5 s of silence with an opportunity in it."""
    for part in range(parts):
        at = start + part * 3500
        talk(ev.SpeechStarted, at, "Spk1")
        talk(ev.WordsHeard, at + 1500, "Spk1", f"{opening} {part}")
        talk(ev.SpeechStopped, at + 3200, "Spk1", last_speech_at=ms(at + 3000))
        talk(ev.WordsFinal, at + 3230, "Spk1", talk.state.flushes, f"{opening} {part} and")
        talk(ev.EndOfTurn, at + 3240, "Spk1", 0.05)
        talk(ev.Opportunity, at + 3250, "Spk1", 0.95)
