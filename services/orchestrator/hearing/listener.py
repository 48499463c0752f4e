"""One microphone: its recognition, its turn-taking, and where its samples lie on the session clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final

from services.common.audio import ChunkOrder
from services.common.labels import Labels
from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog.events import CLOCK_HZ
from services.orchestrator.links.clients import Peers
from services.orchestrator.links.link import Link
from vivant.asr.v1 import asr_pb2
from vivant.common.v1 import common_pb2
from vivant.errors import InvalidRequest
from vivant.session.v1 import session_pb2
from vivant.turn.v1 import turn_pb2

#: A microphone may run ahead of real time by this much.
MAX_AHEAD_S: Final = 1.0
#: Chunks from which the delay of the microphone is estimated: the fastest of the last second or so.
_RECENT: Final = 50

Feed = Callable[[ev.Event], None]
Send = Callable[..., None]
#: (microphone, speaker, words) -> whom they are meant for, empty for the persona.
Whom = Callable[[str, str, str], str]

_OVERLAPS: Final = {
    turn_pb2.OVERLAP_KIND_INTERRUPTION: ev.OverlapKind.INTERRUPTION,
    turn_pb2.OVERLAP_KIND_BACKCHANNEL: ev.OverlapKind.BACKCHANNEL,
    turn_pb2.OVERLAP_KIND_NOT_SPEECH: ev.OverlapKind.NOT_SPEECH,
}


class Listener:
    """Feeds the dialog machine with what one speaker says."""

    def __init__(
        self,
        speaker: str,
        audio: common_pb2.AudioFormat,
        bot_audio: common_pb2.AudioFormat,
        peers: Peers,
        *,
        session_id: str,
        language: str,
        now: Callable[[], int],
        feed: Feed,
        send: Send,
        shared: Callable[[], bool],
        whom: Whom,
    ) -> None:
        self.speaker = speaker
        self._shared = shared
        self._whom = whom
        self._rate = audio.sample_rate_hz
        self._order = ChunkOrder(f"audio of {speaker}", self._rate)
        self._offsets: deque[float] = deque(maxlen=_RECENT)
        self._base: tuple[int, int] | None = None
        self._now = now
        self._feed = feed
        self._send = send
        self._addressed = Labels()
        self.last_audio_at = 0
        self.started_at = 0
        """When the newest speech began, on the session clock."""
        asr = asr_pb2.TranscribeConfig(audio=audio, partials=True, session_id=session_id, language=language, voices=shared())
        turn = turn_pb2.DetectConfig(user_audio=audio, bot_audio=bot_audio, session_id=session_id, language=language)
        self.asr: Link = peers.link("asr", lambda: asr)
        self.turn: Link = peers.link("turn", lambda: turn)
        self._asr_base = self._turn_base = 0
        self._bot_base: int | None = None

    @property
    def used(self) -> bool:
        """Something has come from this microphone."""
        return bool(self._offsets)

    def hear(self, chunk: session_pb2.AudioChunk) -> None:
        """Checks one chunk and passes it on; raises InvalidRequest."""
        if not self._offsets:
            # Who joins late begins where the clock of their microphone is: that is no gap.
            self._order.next_sample = self._asr_base = self._turn_base = max(0, chunk.start_sample)
        self._order.accept(chunk.pcm, chunk.start_sample)
        now = self._now()
        end = self._order.next_sample * CLOCK_HZ / self._rate
        self._refuse_haste(now, end)
        if not self._offsets:
            self._feed(ev.Joined(now, self.speaker))
        self._offsets.append(now - end)
        self.last_audio_at = now
        self._addressed.heard(chunk.addressee, chunk.start_sample, self._order.next_sample)
        name = "" if self._shared() else self.speaker
        self.asr.send(audio=asr_pb2.AudioChunk(pcm=chunk.pcm, start_sample=chunk.start_sample - self._asr_base, speaker=name))
        self.turn.send(
            user_audio=turn_pb2.UserAudio(
                pcm=chunk.pcm, start_sample=chunk.start_sample - self._turn_base, speaker=self.speaker
            )
        )

    def overhear(self, unit: common_pb2.Unit) -> None:
        """What the persona says is heard here too: overlap and echo are judged with it."""
        if self._bot_base is None:
            self._bot_base = unit.start_sample
        self.turn.send(bot_audio=turn_pb2.BotAudio(pcm=unit.pcm, start_sample=unit.start_sample - self._bot_base))

    def taken(self) -> None:
        """The persona takes the floor: what is said next is another turn."""
        if self.used:
            self.turn.send(turn_taken=turn_pb2.TurnTaken(at_sample=self._order.next_sample - self._turn_base))

    def flush(self, flush_id: int) -> None:
        self.asr.send(flush=asr_pb2.Flush(flush_id=flush_id))

    def rebase(self, ability: str) -> None:
        """A stream was opened anew: its samples count from here."""
        if ability == "asr":
            self._asr_base = self._order.next_sample
        else:
            self._turn_base = self._order.next_sample
            self._bot_base = None

    def at(self, sample: int) -> int:
        """Where a sample of this microphone lies on the session clock."""
        return round(sample * CLOCK_HZ / self._rate + (min(self._offsets) if self._offsets else 0))

    def on_asr(self, kind: str, message: Any) -> None:
        """A response of the recognition."""
        if kind == "partial":
            self._transcribe(message, final=False)
            text = f"{message.stable_text} {message.unstable_text}".strip()
            self._tell_words(message.stable_text, message.unstable_text, message.end_sample)
            self._feed(ev.WordsHeard(self._now(), self.speaker, text))
        elif kind == "final":
            self._transcribe(message, final=True)
            self._tell_words(message.text, "", message.end_sample)
            told, voice = self._told(message), self._voice(message)
            self._feed(ev.WordsFinal(self._now(), self.speaker, message.flush_id, message.text.strip(), told, voice))
        elif kind == "no_speech":
            self._feed(ev.WordsFinal(self._now(), self.speaker, message.flush_id, ""))

    def on_turn(self, kind: str, message: Any) -> None:
        """A response of the turn-taking."""
        now = self._now()
        if kind == "speech_suspected":
            self._feed(ev.SpeechSuspected(now, self.speaker))
        elif kind == "speech_started":
            self.started_at = self.at(message.sample + self._turn_base)
            self._feed(ev.SpeechStarted(now, self.speaker))
        elif kind == "speech_stopped":
            self._feed(ev.SpeechStopped(now, self.speaker, self.at(message.last_speech_sample + self._turn_base)))
        elif kind == "end_of_turn":
            self._feed(ev.EndOfTurn(now, self.speaker, message.probability))
        elif kind == "backchannel_opportunity":
            self._feed(ev.Opportunity(now, self.speaker, message.probability))
        elif kind == "overlap" and message.kind in _OVERLAPS:
            self._feed(ev.Overlapped(now, self.speaker, _OVERLAPS[message.kind], message.probability))

    def _tell_words(self, stable: str, unstable: str, end_sample: int) -> None:
        """The turn-taking weighs the words too."""
        end = max(0, end_sample + self._asr_base - self._turn_base)
        self.turn.send(words=turn_pb2.HeardWords(stable_text=stable, unstable_text=unstable, end_sample=end))

    def _refuse_haste(self, now: int, end: float) -> None:
        if self._base is None:
            self._base = (now, round(end))
        began, first = self._base
        ahead = (end - first) - (now - began)
        if ahead > MAX_AHEAD_S * CLOCK_HZ:
            raise InvalidRequest(
                f"audio of {self.speaker} is {ahead / CLOCK_HZ:.1f} s ahead of real time; {MAX_AHEAD_S:.0f} s is allowed",
                reason="audio_too_fast",
            )

    def _voice(self, message: Any) -> str:
        """Who speaks, told by voice; empty on a microphone that is somebody's own."""
        return str(message.speaker) if self._shared() else ""

    def _told(self, message: Any) -> str:
        """Whom the client has named for these words."""
        return self._addressed.during(message.start_sample + self._asr_base, message.end_sample + self._asr_base)

    def _transcribe(self, message: Any, *, final: bool) -> None:
        speaker, addressee = self._voice(message) or self.speaker, self._told(message)
        if final and not addressee:
            addressee = self._whom(self.speaker, speaker, message.text.strip())
        transcript = session_pb2.Transcript(
            final=final,
            stable_text=message.text if final else message.stable_text,
            unstable_text="" if final else message.unstable_text,
            speaker=speaker,
            addressee=addressee,
            start_sample=message.start_sample + self._asr_base,
            end_sample=message.end_sample + self._asr_base,
        )
        if final:
            transcript.words.extend(message.words)
            for word in transcript.words:
                word.start_sample += self._asr_base
                word.end_sample += self._asr_base
        self._send(transcript=transcript)
