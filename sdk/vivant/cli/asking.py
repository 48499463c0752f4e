"""One question from the asker's side: what came of it so far, and whether it is answered. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from vivant.events import Event, Metrics, Notice, State, StateChanged, Transcript, Turn, Unit

#: After the reply, so that the recording does not end on the last syllable.
TAIL_S: Final = 0.5
#: A recording with pauses gets a reply at each; after the last one, the next would have begun by now.
NEXT_REPLY_S: Final = 4.0
#: Without any reply by now there will be none.
FIRST_REPLY_S: Final = 20.0
#: A reply that has begun, and then nothing.
STUCK_S: Final = 30.0
#: No question is answered for longer.
LONGEST_S: Final = 600.0
#: The notice before a turn in which the persona only says that it has no reply.
_APOLOGY: Final = "llm_failed"


@dataclass
class Asking:
    """Collects a conversation until its question is answered. Times are seconds of any one clock."""

    transcripts: list[Transcript] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    metrics: dict[int, Metrics] = field(default_factory=dict)
    _asked_at: float | None = None
    _last_at: float = 0.0
    _busy: bool = False
    _over: bool = False
    _apologising: bool = False
    _apologies: set[int] = field(default_factory=set)

    def asked(self, now: float) -> None:
        """The question has been sent to its end."""
        self._asked_at = self._last_at = now

    def on(self, event: Event, now: float) -> None:
        """Takes in what happened."""
        match event:
            case Unit(turn_id=0):
                return
            case Transcript(final=True):
                self.transcripts.append(event)
            case StateChanged(state=state):
                self._busy = state in (State.THINKING, State.SPEAKING, State.PAUSED)
            case Turn():
                self.turns.append(event)
                self._over = self._asked_at is not None and not event.interrupted
                if self._apologising:
                    self._apologies.add(event.turn_id)
                self._apologising = False
            case Metrics():
                self.metrics[event.turn_id] = event
            case Notice():
                self.notices.append(event)
                self._apologising = self._apologising or event.reason == _APOLOGY
                return
        self._last_at = now

    def settles_at(self) -> float | None:
        """From when on nothing more is to be waited for, unless something happens before; None: the question still runs."""
        if self._asked_at is None:
            return None
        return min(self._last_at + self._patience_s(), self._asked_at + LONGEST_S)

    def _patience_s(self) -> float:
        if self._busy:
            return STUCK_S
        if self._over:
            return TAIL_S
        return NEXT_REPLY_S if self.turns else FIRST_REPLY_S

    @property
    def question(self) -> str:
        """What was understood of the question."""
        return " ".join(item.text for item in self.transcripts)

    @property
    def answered(self) -> bool:
        """Something was said, other than an apology for having no reply."""
        return any(
            (turn.heard_text or ("" if turn.interrupted else turn.full_text)).strip()
            for turn in self.turns
            if turn.turn_id not in self._apologies
        )

    @property
    def reply(self) -> str:
        """What was heard of the replies."""
        return " ".join(turn.heard_text for turn in self.turns if turn.heard_text)

    @property
    def sources(self) -> list[str]:
        """The ids of the passages that the replies are founded on, each once."""
        return list(dict.fromkeys(passage.id for turn in self.turns for passage in turn.passages))

    @property
    def last_metrics(self) -> Metrics | None:
        """Where the time of the last reply went."""
        return next((self.metrics[turn.turn_id] for turn in reversed(self.turns) if turn.turn_id in self.metrics), None)
