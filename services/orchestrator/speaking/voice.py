"""The voice of the reply in hand: clauses in, speech out, one stream to the tts for each reply."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from typing import Final

from services.common.logs import get_logger
from services.orchestrator.links.clients import Peers
from services.orchestrator.speaking.source import Source
from vivant.errors import Internal, VivantError
from vivant.tts.v1 import tts_pb2

_log = get_logger(__name__)

#: Clauses that wait for the voice; a reply of the llm has fewer.
CLAUSES: Final = 500
#: Characters in one message to the voice, by its contract.
MESSAGE_CHARS: Final = 2_000


class Voice:
    """Speaks one reply, see `Source`. `cancel` ends it at once; otherwise it ends when the text is complete and spoken."""

    ability: Final = "tts"
    stage: Final = "tts_first_audio"

    def __init__(
        self,
        turn_id: int,
        peers: Peers,
        config: tts_pb2.SynthesizeConfig,
        timeout_s: float,
        *,
        on_audio: Callable[[tts_pb2.Audio], None],
        on_end: Callable[[Source, VivantError | None], None],
    ) -> None:
        self.turn_id = turn_id
        self._peers = peers
        self._config = config
        self._timeout_s = timeout_s
        self._on_audio = on_audio
        self._on_end = on_end
        self._clauses: asyncio.Queue[str | None] = asyncio.Queue(CLAUSES)
        self._task = asyncio.create_task(self._run(), name=f"voice-{turn_id}")

    def say(self, text: str) -> None:
        self._clauses.put_nowait(text)

    def end(self) -> None:
        self._clauses.put_nowait(None)

    def cancel(self) -> None:
        self._task.cancel()

    def when_gone(self, then: Callable[[Voice], None]) -> None:
        """`then` is called when the stream is gone, cancelled or ended."""
        self._task.add_done_callback(lambda _: then(self))

    async def closed(self) -> None:
        """Waits until the stream is gone."""
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        error: VivantError | None = None
        try:
            async with aclosing(self._peers.speak(self._config, self._texts(), self._timeout_s)) as speech:
                async for audio in speech:
                    self._on_audio(audio)
        except VivantError as exc:
            error = exc
        except Exception as exc:  # noqa: BLE001 - nobody waits for this task: the reply would go on for ever
            _log.error("voice_failed", turn_id=self.turn_id, exc_info=exc)
            error = Internal(f"a fault while speaking ({type(exc).__name__}); the log has the details")
        self._on_end(self, error)

    async def _texts(self) -> AsyncGenerator[str, None]:
        while (text := await self._clauses.get()) is not None:
            for message in messages(text):
                yield message


def messages(text: str) -> Iterator[str]:
    """The text in parts that the voice takes, cut between words where there are any; joined they are the text."""
    while len(text) > MESSAGE_CHARS:
        space = text.rfind(" ", MESSAGE_CHARS // 2, MESSAGE_CHARS)
        cut = space + 1 or MESSAGE_CHARS
        yield text[:cut]
        text = text[cut:]
    yield text


class Prepared:
    """The first words of a reply that may never be given, spoken and kept back."""

    voice: Voice

    def __init__(self, text: str) -> None:
        self.text = text
        self.ended = False
        """It was over, and so had failed, before it was wanted: more text was to come."""
        self._kept: list[tts_pb2.Audio] = []
        self._on_audio: Callable[[tts_pb2.Audio], None] = self._kept.append
        self._on_end: Callable[[Source, VivantError | None], None] | None = None

    def take(self, audio: tts_pb2.Audio) -> None:
        """More of it was spoken."""
        self._on_audio(audio)

    def end(self, voice: Source, error: VivantError | None) -> None:
        """The voice has ended."""
        self.ended = True
        if self._on_end is not None:
            self._on_end(voice, error)

    def release(self, on_audio: Callable[[tts_pb2.Audio], None], on_end: Callable[[Source, VivantError | None], None]) -> None:
        """It is wanted: what was kept goes on its way now, what follows as it comes."""
        self._on_audio, self._on_end = on_audio, on_end
        for audio in self._kept:
            on_audio(audio)
        self._kept.clear()
