"""The microphones of a session, one for each speaker, opened when somebody first speaks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog.state import SpeakerState, words_of
from services.orchestrator.hearing.listener import Company, Listener, Whom
from services.orchestrator.hearing.utterances import Utterances
from services.orchestrator.links.clients import Peers
from services.orchestrator.session.context import SessionContext
from services.orchestrator.session.opening import Opening
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
        connect: Callable[[Listener], Callable[[], None]],
        *,
        whom: Whom,
        company: Company,
        utterances: Utterances,
    ) -> None:
        self._opening = opening
        self._company = company
        self._utterances = utterances
        self._formats: dict[str, common_pb2.AudioFormat] = {}
        self._shared: str | None = None
        self._peers = peers
        self._most = most
        self._context = context
        self._connect = connect
        self._whom = whom
        self._listeners: dict[str, Listener] = {}
        self._owners: dict[str, tuple[str, Callable[[], None]]] = {}
        """By participant: whose client it came with, and what ends it."""

    def __contains__(self, speaker: str) -> bool:
        return speaker in self._listeners

    @property
    def speech_started_at(self) -> int:
        """When somebody last began to speak, on the session clock; 0: nobody has."""
        return max((listener.started_at for listener in self._listeners.values()), default=0)

    def allow(self, participant_id: str, audio: common_pb2.AudioFormat, *, shared: bool) -> None:
        """Somebody's client has a microphone; `shared`: others may speak into it, too."""
        self._formats[participant_id] = audio
        if shared:
            self._shared = participant_id

    def of(self, participant_id: str, client: str) -> Listener:
        """The microphone of that participant, opened if need be, in the format of the client's; raises InvalidRequest."""
        if participant_id in self._listeners:
            return self._listeners[participant_id]
        audio = self._formats.get(client)
        if audio is None:
            raise InvalidRequest("audio was sent, but the config has no input_audio", reason="no_input_audio")
        if sum(listener.used for listener in self._listeners.values()) >= self._most:
            raise InvalidRequest(f"at most {self._most} people may have a microphone of their own", reason="too_many_speakers")
        listener = Listener(
            participant_id,
            audio,
            self._opening.output_audio,
            self._peers,
            session_id=self._context.session_id,
            language=self._opening.language,
            now=self._context.now,
            feed=self._context.feed,
            send=self._context.send,
            shared=lambda: self._is_shared(participant_id),
            whom=self._whom,
            company=self._company,
            utterances=self._utterances,
        )
        self._listeners[participant_id] = listener
        self._owners[participant_id] = (client, self._connect(listener))
        return listener

    def close(self, client: str) -> set[str]:
        """A client has gone: returns whose microphones go with it, itself among them."""
        gone = {participant_id for participant_id, (owner, _) in self._owners.items() if owner == client}
        for participant_id in gone:
            _, end = self._owners.pop(participant_id)
            end()
            del self._listeners[participant_id]
        self._formats.pop(client, None)
        return gone | {client}

    def _is_shared(self, participant_id: str) -> bool:
        """Voices are told apart there, as long as nobody else has a microphone of their own."""
        others = any(other.used for name, other in self._listeners.items() if name != participant_id)
        return participant_id == self._shared and not others

    def flush(self, speaker: str, flush_id: int) -> None:
        """Asks the recognition of that speaker for the final words."""
        self._listeners[speaker].flush(flush_id)

    def read(self, people: Mapping[str, SpeakerState]) -> None:
        """What everybody has said so far is read where it has changed."""
        for speaker, listener in self._listeners.items():
            listener.turn_words(words_of(people.get(speaker, SpeakerState())))

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
                self._context.feed(ev.SpeechStopped(now, speaker, listener.last_audio_at, unheard=True))
