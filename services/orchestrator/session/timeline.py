"""Where the time of a reply went: the stages of each turn, from the end of the user's speech to the first unit."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from services.common.metrics import Metrics
from services.orchestrator.dialog.events import CLOCK_HZ, Contribution
from vivant.session.v1 import session_pb2

#: Turns that are kept; only the newest few can still get a stage.
_KEPT: Final = 4

#: Stages that are also metrics.
_METRICS: Final = {
    "end_of_turn": ("vivant_end_of_turn_seconds", ""),
    "llm_first_text": ("vivant_reply_seconds", "token"),
    "tts_first_audio": ("vivant_reply_seconds", "audio"),
    "speech_first_audio": ("vivant_reply_seconds", "audio"),
    "first_unit": ("vivant_reply_seconds", "unit"),
}


class Timeline:
    """Stages by turn. Times are samples of the session clock."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._turns: OrderedDict[int, tuple[int, dict[str, int]]] = OrderedDict()
        self._drafts: OrderedDict[int, int] = OrderedDict()
        self._draft: tuple[str, str] | None = None
        self._drafted_at = 0
        self._begun = 0

    def drafted(self, speaker: str, text: str, at: int) -> None:
        """A reply to these words was begun, though the turn may go on."""
        if (speaker, text) != self._draft:
            self._draft, self._drafted_at = (speaker, text), at
            self._begun += 1

    def begin(self, turn_id: int, said: Contribution) -> None:
        """A turn was committed; its zero is the end of the contribution that it answers."""
        self._turns[turn_id] = (said.ended_at, {})
        self._drafts[turn_id] = self._begun
        if (said.speaker, said.text) == self._draft:
            self.mark(turn_id, "speculated", self._drafted_at)
        self._draft, self._begun = None, 0
        while len(self._turns) > _KEPT:
            self._turns.popitem(last=False)
            self._drafts.popitem(last=False)

    def mark(self, turn_id: int, stage: str, at: int) -> bool:
        """Notes the first time that a turn reaches a stage; False when it has been there before or the turn is unknown."""
        if turn_id not in self._turns:
            return False
        ended_at, stages = self._turns[turn_id]
        if stage in stages:
            return False
        stages[stage] = at - ended_at
        if stage in _METRICS:
            name, label = _METRICS[stage]
            self._metrics.observe(name, (at - ended_at) / CLOCK_HZ, label)
        return True

    def reached(self, turn_id: int, stage: str) -> bool:
        """Whether a turn has been there."""
        return turn_id in self._turns and stage in self._turns[turn_id][1]

    def report(self, turn_id: int) -> session_pb2.Metrics:
        """The stages of a turn so far, in order."""
        _, stages = self._turns[turn_id]
        ordered = sorted(stages.items(), key=lambda item: item[1])
        return session_pb2.Metrics(
            turn_id=turn_id,
            drafts=self._drafts[turn_id],
            stages=[session_pb2.Stage(name=name, at_us=at * 1_000_000 // CLOCK_HZ) for name, at in ordered],
        )
