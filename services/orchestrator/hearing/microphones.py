"""The microphones of a session, one for each speaker, opened when somebody first speaks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog.state import SpeakerState
from services.orchestrator.hearing.listener import Listener, Whom
from services.orchestrator.links.clients import Peers
from services.orchestrator.session.context import SessionContext
from services.orchestrator.session.opening import UNNAMED, Opening
from vivant.common.v1 import common_pb2
from vivant.errors import InvalidRequest

#: A microphone that stops sending while somebody speaks has ended their turn after this long.
_STALL: Final = ev.ms(1000)


class Microphones:
    """Knows who has one."""

    def __init__(
        self,
        opening: Opening,
        peers: Peers,
        most: int,
        context: SessionContext,
        connect: Callable[[Listener], None],
        *,
        whom: Whom,
    ) -> None:
        self._opening = opening
        self._peers = peers
        self._most = most
        self._context = context
        self._connect = connect
        self._whom = whom
        self._listeners: dict[str, Listener] = {}

    def __contains__(self, speaker: str) -> bool:
        return speaker in self._listeners

    @property
    def speech_started_at(self) -> int:
        """When somebody last began to speak, on the session clock; 0: nobody has."""
        return max((listener.started_at for listener in self._listeners.values()), default=0)

    def of(self, speaker: str) -> Listener:
        """The one of that speaker, opened if need be; raises InvalidRequest."""
        if speaker in self._listeners:
            return self._listeners[speaker]
        config = self._opening.config
        if not config.HasField("input_audio"):
            raise InvalidRequest("audio was sent, but the config has no input_audio", reason="no_input_audio")
        if sum(listener.used for listener in self._listeners.values()) >= self._most:
            raise InvalidRequest(
                f"at most {self._most} speakers may have a microphone of their own", reason="too_many_speakers"
            )
        listener = Listener(
            speaker,
            config.input_audio,
            self._opening.output_audio,
            self._peers,
            session_id=self._context.session_id,
            language=self._opening.language,
            now=self._context.now,
            feed=self._context.feed,
            send=self._context.send,
            shared=lambda: self._may_be_shared(speaker),
            whom=self._whom,
        )
        self._listeners[speaker] = listener
        self._connect(listener)
        return listener

    def _may_be_shared(self, speaker: str) -> bool:
        """Several may speak into this microphone: it has no name, and nobody else has one of their own."""
        return speaker == UNNAMED and not any(other.used for name, other in self._listeners.items() if name != speaker)

    def flush(self, speaker: str, flush_id: int) -> None:
        """Asks the recognition of that speaker for the final words."""
        self._listeners[speaker].flush(flush_id)

    def taken(self) -> None:
        """The persona takes the floor, or has it again."""
        for listener in self._listeners.values():
            listener.taken()

    def overhear(self, unit: common_pb2.Unit) -> None:
        """What the persona says is heard by all of them."""
        for listener in self._listeners.values():
            listener.overhear(unit)

    def end_stalled(self, people: Mapping[str, SpeakerState]) -> None:
        """Ends the turns of those who were speaking when their microphone went quiet."""
        now = self._context.now()
        for speaker, person in people.items():
            listener = self._listeners.get(speaker)
            if listener and person.speaking and now - listener.last_audio_at > _STALL:
                self._context.feed(ev.SpeechStopped(now, speaker, listener.last_audio_at))
                self._context.feed(ev.EndOfTurn(now, speaker, 1.0))
