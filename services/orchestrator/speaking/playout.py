"""What of a reply has been heard: the persona remembers having said just that.

Kept in samples of the reply. The smaller of two positions counts: what was sent to the client, and what the client says it has
played, once it says so at all.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from vivant.common.v1 import common_pb2
from vivant.face.v1 import face_pb2
from vivant.session.v1 import session_pb2

#: Units whose position in the reply is remembered: 20 s at 25 a second.
_REMEMBERED_UNITS: Final = 500


@dataclass
class Reply:
    """One reply on its way from the persona's words to the listener's ear."""

    turn_id: int
    answers: Sequence[str] = ()
    """Ids of the utterances that it answers."""
    text: str = ""
    words: list[common_pb2.Word] = field(default_factory=list)
    sources: list[session_pb2.Passage] = field(default_factory=list)
    speech: list[face_pb2.Speech] = field(default_factory=list)
    """All the voice so far, in order, so that somebody else can go on when the face dies."""
    text_complete: bool = False
    """No more text will come."""
    complete: bool = False
    """No more speech will come."""
    voiceless: bool = False
    """It could not be spoken and was shown as text instead."""
    sent_samples: int = 0
    played_samples: int = 0
    cut_at: int | None = None
    """The client says that nothing after this sample was heard."""

    def rest(self) -> list[face_pb2.Speech]:
        """The speech that has not been sent to the client yet, cut at that sample."""
        rest: list[face_pb2.Speech] = []
        for speech in self.speech:
            missing = self.sent_samples - speech.start_sample
            if missing * 2 >= len(speech.pcm):
                continue
            if missing > 0:
                cut = face_pb2.Speech()
                cut.CopyFrom(speech)
                cut.pcm = speech.pcm[missing * 2 :]
                cut.start_sample = self.sent_samples
                rest.append(cut)
            else:
                rest.append(speech)
        return rest


class HeardTracker:
    """The reply in hand, and how far it has got."""

    def __init__(self) -> None:
        self._units: OrderedDict[int, tuple[int, int]] = OrderedDict()
        self._reports = False
        self._before = Reply(0)
        self.reply = Reply(0)

    def begin(self, turn_id: int, answers: Sequence[str] = ()) -> Reply:
        """A new reply; of those before, only the last is remembered."""
        self._before, self.reply = self.reply, Reply(turn_id, answers)
        return self.reply

    def sent(self, unit: common_pb2.Unit) -> None:
        """A unit has gone to the client."""
        end = unit.turn_sample + len(unit.pcm) // 2
        self._units[unit.index] = (unit.turn_id, end)
        if len(self._units) > _REMEMBERED_UNITS:
            self._units.popitem(last=False)
        if unit.turn_id == self.reply.turn_id:
            self.reply.sent_samples = max(self.reply.sent_samples, end)

    def played(self, unit_index: int) -> None:
        """The client has played this unit to its end."""
        self._reports = True
        turn_id, end = self._units.get(unit_index, (0, 0))
        if turn_id == self.reply.turn_id:
            self.reply.played_samples = max(self.reply.played_samples, end)

    def truncate(self, unit_index: int) -> Reply | None:
        """Nothing after this unit was heard of its reply; returns that reply, None when it is not remembered."""
        turn_id, end = self._units.get(unit_index, (0, 0))
        if not turn_id:
            turn_id, end = self._units.get(unit_index + 1, (0, 0))[0], 0
        reply = next((reply for reply in (self.reply, self._before) if turn_id and reply.turn_id == turn_id), None)
        if reply is not None:
            reply.cut_at = end
        return reply

    def position(self, reply: Reply) -> int:
        """So many samples of a reply have been heard."""
        if reply.cut_at is not None:
            return min(reply.sent_samples, reply.cut_at)
        return min(reply.sent_samples, reply.played_samples) if self._reports else reply.sent_samples

    def heard_text(self, reply: Reply, *, interrupted: bool) -> str:
        """The words of a reply that were heard to their end."""
        if reply.voiceless or (not interrupted and reply.cut_at is None):
            return reply.text.strip()
        position = self.position(reply)
        return " ".join(word.text for word in reply.words if word.end_sample <= position)
