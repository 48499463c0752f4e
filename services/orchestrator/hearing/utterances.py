"""What was said in a session, piece by piece: every stretch of recognised words and every typed text has an id.

A contribution is made of one or more of them: whoever pauses and goes on has said two utterances and one thing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from services.orchestrator.dialog.events import Contribution
from vivant.common.v1 import common_pb2

#: Utterances of one microphone that a contribution may still be made of; people who tell a story pause some twenty times.
_REMEMBERED: Final = 64


@dataclass(frozen=True)
class Spoken:
    """One utterance. Times are samples of the session clock."""

    id: str
    text: str
    started_at: int
    ended_at: int
    language: str = ""
    """BCP 47; empty: not known."""


class Utterances:
    """Those of one session; `unix_us` is the wall clock of a sample of the session clock."""

    def __init__(self, session_id: str, unix_us: Callable[[int], int]) -> None:
        self._session_id = session_id
        self._unix_us = unix_us
        self._count = 0
        self._open: dict[str, str] = {}
        self._said: dict[str, deque[Spoken]] = {}

    def begun(self, microphone: str) -> str:
        """The id of what is being said there."""
        if microphone not in self._open:
            self._open[microphone] = self._new()
        return self._open[microphone]

    def ended(self, microphone: str, text: str, started_at: int, ended_at: int, language: str = "") -> str:
        """The words are final; returns their id."""
        spoken = Spoken(self.begun(microphone), text, started_at, ended_at, language)
        del self._open[microphone]
        return self._keep(microphone, spoken)

    def typed(self, participant: str, text: str, at: int) -> str:
        """A text was entered; returns its id."""
        return self._keep(participant, Spoken(self._new(), text, at, at))

    def of(self, said: Contribution) -> list[Spoken]:
        """What a contribution is made of, in order: the latest utterances from there whose words it ends with, one by one."""
        parts, rest = list[Spoken](), said.text
        for spoken in reversed(self._said.get(said.came_from, ())):
            if spoken.text and rest.endswith(spoken.text):
                parts.append(spoken)
                rest = rest.removesuffix(spoken.text).rstrip()
            if not rest:
                break
        return parts[::-1]

    def message(self, said: Contribution) -> common_pb2.Utterance:
        """The whole contribution; it has the id of its last utterance."""
        parts = self.of(said)
        return common_pb2.Utterance(
            id=parts[-1].id if parts else self._new(),
            participant_id=said.speaker,
            text=said.text,
            addressees=[common_pb2.Addressee(participant_id=said.addressee)] if said.addressee else (),
            language=parts[-1].language or None if parts else None,
            started_unix_us=self._unix_us(parts[0].started_at) if parts else None,
            ended_unix_us=self._unix_us(said.ended_at),
        )

    def of_reply(self, turn_id: int) -> str:
        """The id of what the persona says in that turn."""
        return f"{self._session_id}-reply-{turn_id}"

    def _new(self) -> str:
        self._count += 1
        return f"{self._session_id}-{self._count}"

    def _keep(self, microphone: str, spoken: Spoken) -> str:
        self._said.setdefault(microphone, deque(maxlen=_REMEMBERED)).append(spoken)
        return spoken.id
