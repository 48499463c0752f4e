"""The way in: connect to a running system, ask what it is, and open conversations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import grpc

from vivant import _wire
from vivant.channel import open_channel
from vivant.conversation import Session
from vivant.errors import Timeout, Unavailable
from vivant.events import Participant
from vivant.formats import DEFAULT_VOICE_RATE_HZ, Video
from vivant.info import SystemInfo
from vivant.participants import as_participant
from vivant.session.v1 import session_pb2, session_pb2_grpc
from vivant.status import translate
from vivant.texts import require_unicode

CONNECT_TIMEOUT_S: Final = 3.0
INFO_TIMEOUT_S: Final = 10.0
#: Models of a gigabyte are read from a cold disk in this time.
READY_TIMEOUT_S: Final = 60.0
_ASK_AGAIN_S: Final = 0.5
DEFAULT_ADDRESS: Final = "localhost:50050"


class Client:
    """A connection to the orchestrator; `connect` makes it. Conversations on it are independent of each other."""

    def __init__(self, channel: grpc.aio.Channel, address: str) -> None:
        self._stub = session_pb2_grpc.SessionServiceStub(channel)
        self.address = address

    async def info(self) -> SystemInfo:
        """Services, engines, models with their licences, personas, and what is ready; raises a VivantError if out of reach."""
        try:
            response = await self._stub.GetInfo(session_pb2.GetInfoRequest(), timeout=INFO_TIMEOUT_S)
        except grpc.aio.AioRpcError as exc:
            raise translate(exc, self.address) from exc
        return _wire.system_info(response)

    async def wait_ready(
        self, timeout_s: float = READY_TIMEOUT_S, *, on_progress: Callable[[str, float], None] | None = None
    ) -> SystemInfo:
        """Waits while services load, and returns what there is then; raises Timeout, which names them, after `timeout_s`.

        A server that does not answer is waited for too. What has failed for good is not: `SystemInfo.components` says so.
        `on_progress` is called about twice a second with what is waited for ("llm is loading") and the seconds so far.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            try:
                system = await self.info()
                if not system.loading:
                    return system
                reason = f"{', '.join(system.loading)} {'is' if len(system.loading) == 1 else 'are'} loading"
            except (Unavailable, Timeout) as exc:
                reason = exc.message
            waited = loop.time() - began
            if waited >= timeout_s:
                raise Timeout(
                    f"not ready after {waited:.0f} s: {reason}; see `vivant info`, or wait longer", reason="not_ready"
                )
            if on_progress:
                on_progress(reason, waited)
            await asyncio.sleep(min(_ASK_AGAIN_S, timeout_s - waited))

    async def portrait(self, persona: str | None = None) -> bytes:
        """A persona's face at rest as JPEG, 512 px square; None: the server's default. Raises NotFound or Unusable."""
        require_unicode("persona", persona or "")
        request = session_pb2.GetPortraitRequest(persona_id=persona)
        try:
            response = await self._stub.GetPortrait(request, timeout=INFO_TIMEOUT_S)
        except grpc.aio.AioRpcError as exc:
            raise translate(exc, self.address) from exc
        jpeg: bytes = response.jpeg
        return jpeg

    def converse(
        self,
        persona: str | None = None,
        *,
        video: Video | None = None,
        microphone: int | None = None,
        participant: Participant | str | None = None,
        shared_microphone: bool | None = None,
        greeting: bool = False,
        conversation_id: str | None = None,
        language: str | None = None,
        voice_rate_hz: int = DEFAULT_VOICE_RATE_HZ,
        manual_turns: bool = False,
        only_answers: bool = False,
    ) -> Session:
        """A conversation, to be opened with `async with`.

        Args:
            persona: whom to talk to, by id; None: the server's default.
            video: the picture to send; None: sound only.
            microphone: sample rate in Hz of the sound that will be sent; None: typed text only.
            participant: who speaks and types when nothing else is said, a name alone is the id, too; None: the server gives
                somebody unnamed an id, which `Session.ready` tells.
            shared_microphone: several people may speak into the microphone and are told apart by their voices; None: as long
                as no `participant` is named.
            greeting: the persona speaks first.
            conversation_id: goes on with an earlier conversation, which is over; None: a new one.
            language: of the user's speech, BCP 47; None: the persona's first.
            voice_rate_hz: sample rate of the persona's voice.
            manual_turns: push to talk: what is said is answered at `Session.end_turn`, and speech does not interrupt.
            only_answers: the persona never speaks up by itself, however long nobody speaks.

        Raises InvalidRequest for a name that is not Unicode. Opening raises NotFound for an unknown persona, Full when the
        server has all the conversations it can hold, Unavailable when it is starting (`loading`, see `wait_ready`) or gone,
        InvalidRequest for a format that it does not speak.
        """
        for what, value in {"persona": persona, "conversation_id": conversation_id, "language": language}.items():
            require_unicode(what, value or "")
        config = session_pb2.ConverseConfig(
            persona_id=persona,
            input_audio=_wire.pcm_format(microphone) if microphone else None,
            output_audio=_wire.pcm_format(voice_rate_hz),
            output_video=_wire.video_format(video) if video else None,
            participant=_wire.participant(as_participant(participant)) if participant else None,
            shared_microphone=shared_microphone,
            conversation_id=conversation_id,
            greeting=session_pb2.GREETING_SPOKEN if greeting else session_pb2.GREETING_UNSPECIFIED,
            language=language,
            turns=session_pb2.TURNS_MANUAL if manual_turns else session_pb2.TURNS_UNSPECIFIED,
            initiative=session_pb2.INITIATIVE_NONE if only_answers else session_pb2.INITIATIVE_UNSPECIFIED,
        )
        return Session(self._stub.Converse, session_pb2.ConverseRequest(config=config), self.address)

    def join(
        self,
        conversation_id: str,
        *,
        participant: Participant | str | None = None,
        microphone: int | None = None,
        video: bool = True,
    ) -> Session:
        """Enters a conversation that somebody else has opened and that is going on; to be opened with `async with`.

        What happens there is heard and seen from here on, as whoever opened it does; what was said before is not told again.
        Everybody speaks, types and stops the persona; the conversation ends when the last one leaves.

        Args:
            conversation_id: as in `Session.ready` of whoever opened it.
            participant: who comes, as in `converse`.
            microphone: sample rate in Hz of the sound that will be sent; None: typed text only.
            video: send pictures, if the conversation has them, in its format.

        Opening raises NotFound when the conversation is over or not there, and what opening a new one raises.
        """
        require_unicode("conversation_id", conversation_id)
        join = session_pb2.Join(
            conversation_id=conversation_id,
            participant=_wire.participant(as_participant(participant)) if participant else None,
            input_audio=_wire.pcm_format(microphone) if microphone else None,
            video=video,
        )
        return Session(self._stub.Converse, session_pb2.ConverseRequest(join=join), self.address)


@asynccontextmanager
async def connect(address: str = DEFAULT_ADDRESS, *, timeout_s: float = CONNECT_TIMEOUT_S) -> AsyncIterator[Client]:
    """Connects to `host:port`; raises Unavailable if nothing answers there within `timeout_s`."""
    require_unicode("address", address)
    async with open_channel(address, proxy=True) as channel:
        await wait_for(channel, address, timeout_s)
        yield Client(channel, address)


async def wait_for(channel: grpc.aio.Channel, address: str, timeout_s: float) -> None:
    """Waits until the channel is connected; raises Unavailable after `timeout_s`."""
    try:
        async with asyncio.timeout(timeout_s):
            await channel.channel_ready()
    except TimeoutError as exc:
        raise Unavailable(f"nothing answers at {address}; start it with `make up`", reason="unreachable") from exc
