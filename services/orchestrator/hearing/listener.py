"""One microphone: its recognition, its turn-taking, and where its samples lie on the session clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

from services.common.audio import ChunkOrder
from services.common.labels import Labels
from services.common.reading.reading import Reading
from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog.events import CLOCK_HZ
from services.orchestrator.hearing.utterances import Utterances
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

#: Of a longer turn the last characters are read: more than thirty words are a story, however they began.
_MOST_READ: Final = 4_000

Feed = Callable[[ev.Event], None]
Send = Callable[..., None]
#: (microphone, speaker, words) -> whom they are meant for, empty for the persona.
Whom = Callable[[str, str, str], str]


class Company(Protocol):
    """Who is there, as far as a microphone must know."""

    def stranger(self) -> str:
        """The id of somebody who was heard for the first time."""

    def met(self, participant_id: str) -> str:
        """The id of somebody who is referred to, by id or by name."""

    def same(self, label: str, known: str) -> None:
        """The two are one."""


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
        company: Company,
        utterances: Utterances,
    ) -> None:
        self.speaker = speaker
        self._shared = shared
        self._whom = whom
        self._company = company
        self._utterances = utterances
        self._voices: dict[str, str] = {}
        self._rate = audio.sample_rate_hz
        self._order = ChunkOrder(f"audio of {speaker}", self._rate)
        self._offsets: deque[float] = deque(maxlen=_RECENT)
        self._base: tuple[int, int] | None = None
        self._now = now
        self._feed = feed
        self._send = send
        self._addressed = Labels[tuple[str, ...]]()
        self.last_audio_at = 0
        self.started_at = 0
        """When the newest speech began, on the session clock."""
        spoken = language or None
        asr = asr_pb2.TranscribeConfig(
            audio=audio, partials=True, session_id=session_id, language=spoken, voices=shared(), endings=True
        )
        turn = turn_pb2.DetectConfig(user_audio=audio, bot_audio=bot_audio, session_id=session_id, language=spoken)
        self.asr: Link = peers.link("asr", lambda: asr)
        self.turn: Link = peers.link("turn", lambda: turn)
        self._asr_base = self._turn_base = 0
        self._bot_base: int | None = None
        self._read = ""
        self._words_id = 0
        self._final: asr_pb2.Final | None = None
        """The newest, if no words have come since: how its words end is told after it."""

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
        told = tuple(self._company.met(addressee) for addressee in chunk.addressee_ids)
        self._addressed.heard(told, chunk.start_sample, self._order.next_sample)
        who = None if self._shared() else self.speaker
        self.asr.send(
            audio=asr_pb2.AudioChunk(pcm=chunk.pcm, start_sample=chunk.start_sample - self._asr_base, participant_id=who)
        )
        self.turn.send(
            user_audio=turn_pb2.UserAudio(
                pcm=chunk.pcm, start_sample=chunk.start_sample - self._turn_base, participant_id=self.speaker
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

    def turn_words(self, text: str) -> None:
        """All words of the turn so far: they are read anew when they have changed."""
        if text != self._read:
            self._read, self._words_id = text, self._words_id + 1
            self.turn.send(turn_words=turn_pb2.TurnWords(text=text[-_MOST_READ:], words_id=self._words_id))

    def flush(self, flush_id: int) -> None:
        self.asr.send(flush=asr_pb2.Flush(flush_id=flush_id))

    def rebase(self, ability: str) -> None:
        """A stream was opened anew: its samples count from here."""
        if ability == "asr":
            self._asr_base = self._order.next_sample
            self._final = None
            # Another recogniser, other ids; who spoke first is most likely whose microphone it is.
            self._voices.clear()
        else:
            self._turn_base = self._order.next_sample
            self._bot_base = None
            self._read = ""

    def at(self, sample: int) -> int:
        """Where a sample of this microphone lies on the session clock."""
        return round(sample * CLOCK_HZ / self._rate + (min(self._offsets) if self._offsets else 0))

    def on_asr(self, kind: str, message: Any) -> None:
        """A response of the recognition."""
        if kind == "partial":
            self._final = None
            self._transcribe(message, final=False)
            text = f"{message.stable_text} {message.unstable_text}".strip()
            self._tell_words(message.end_sample, stable_text=message.stable_text, unstable_text=message.unstable_text)
            self._feed(ev.WordsHeard(self._now(), self.speaker, text))
        elif kind == "final":
            self._transcribe(message, final=True)
            self._final = message
            self._tell_words(message.end_sample, stable_text=message.text)
            # Of several, the first takes the floor from the persona.
            told, voice = next(iter(self._told(message)), ""), self._voice(message)
            self._feed(ev.WordsFinal(self._now(), self.speaker, message.flush_id, message.text.strip(), told, voice))
        elif kind == "ends":
            if self._final is not None and message.flush_id == self._final.flush_id:
                self._tell_words(self._final.end_sample, stable_text=self._final.text, ending=message.ending)
        elif kind == "voice":
            self._meet(message.participant.id)
        elif kind == "relabel":
            self._merge(message.from_id, message.to_id)
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
            # Of other words than the newest nothing is to be concluded any more.
            read = self._read if message.HasField("words_id") and message.words_id == self._words_id else None
            reading = _reading(message.reading) if message.HasField("reading") else None
            self._feed(ev.EndOfTurn(now, self.speaker, message.probability, message.waiting_cost_s, read, reading))
        elif kind == "backchannel_opportunity":
            self._feed(ev.Opportunity(now, self.speaker, message.probability))
        elif kind == "overlap" and message.kind in _OVERLAPS:
            self._feed(ev.Overlapped(now, self.speaker, _OVERLAPS[message.kind], message.probability))

    def _tell_words(self, end_sample: int, **words: Any) -> None:
        """The turn-taking weighs the words too; `words` are the other fields of HeardWords."""
        end = max(0, end_sample + self._asr_base - self._turn_base)
        self.turn.send(words=turn_pb2.HeardWords(end_sample=end, **words))

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
        return self._meet(message.participant_id) if message.participant_id and self._shared() else ""

    def _meet(self, voice: str) -> str:
        """Whose voice it is: the first one on a microphone is its owner's."""
        if voice not in self._voices:
            self._voices[voice] = self._company.stranger() if self._voices else self.speaker
        return self._voices[voice]

    def _merge(self, voice: str, known: str) -> None:
        label, who = self._meet(voice), self._meet(known)
        self._voices[voice] = who
        if label != who:
            self._company.same(label, who)

    def _told(self, message: Any) -> tuple[str, ...]:
        """Whom the client has named for these words."""
        heard = self._addressed.during(message.start_sample + self._asr_base, message.end_sample + self._asr_base)
        return heard or ()

    def _transcribe(self, message: Any, *, final: bool) -> None:
        speaker, told = self._voice(message) or self.speaker, self._told(message)
        start, end = message.start_sample + self._asr_base, message.end_sample + self._asr_base
        text = message.text.strip() if final else ""
        if final:
            language = message.language
            utterance_id = self._utterances.ended(self.speaker, text, self.at(start), self.at(end), language)
            meant = "" if told else self._whom(self.speaker, speaker, text)
            told = told or ((self._company.met(meant),) if meant else ())
        else:
            utterance_id, language = self._utterances.begun(self.speaker), ""
        transcript = session_pb2.Transcript(
            final=final,
            stable_text=message.text if final else message.stable_text,
            unstable_text="" if final else message.unstable_text,
            participant_id=speaker,
            addressees=[common_pb2.Addressee(participant_id=who) for who in told],
            start_sample=start,
            end_sample=end,
            utterance_id=utterance_id,
            language=language or None,
        )
        if final:
            transcript.words.extend(message.words)
            for word in transcript.words:
                word.start_sample += self._asr_base
                word.end_sample += self._asr_base
        self._send(transcript=transcript)


def _reading(wire: turn_pb2.Reading) -> Reading:
    return Reading(asks=wire.asks, looks_for_words=wire.looks_for_words, tells_a_story=wire.tells_a_story, begins=wire.begins)
