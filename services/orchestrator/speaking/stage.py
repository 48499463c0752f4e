"""Where a reply is performed: its clauses go to the voice, or a model has its own; the sound goes to the face, and how far it
has got is known.

What is said, and when it stops, is decided elsewhere; the units' way from the face to the client is `output.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from services.common.metrics import Metrics
from services.orchestrator.dialog import events as ev
from services.orchestrator.links.clients import Peers
from services.orchestrator.session import notices
from services.orchestrator.session.abilities import Abilities
from services.orchestrator.session.timeline import Timeline
from services.orchestrator.speaking.manner import Manner
from services.orchestrator.speaking.output import Output
from services.orchestrator.speaking.playout import HeardTracker, Reply
from services.orchestrator.speaking.source import Source
from services.orchestrator.speaking.voice import Prepared, Voice
from vivant.common.v1 import common_pb2
from vivant.errors import VivantError
from vivant.face.v1 import face_pb2
from vivant.session.v1 import session_pb2
from vivant.tts.v1 import tts_pb2

_NOD: Final = "nod"
_NOD_INTENSITY: Final = 0.6


class Stage:
    """Performs one reply at a time."""

    def __init__(
        self,
        manner: Manner,
        peers: Peers,
        abilities: Abilities,
        metrics: Metrics,
        timeline: Timeline,
        *,
        now: Callable[[], int],
        feed: Callable[[ev.Event], None],
        send: Callable[..., None],
        notify: Callable[[session_pb2.Notice], None],
        overhear: Callable[[common_pb2.Unit], None],
    ) -> None:
        self._manner = manner
        self._peers = peers
        self._abilities = abilities
        self._metrics = metrics
        self._timeline = timeline
        self._now = now
        self._feed = feed
        self._send = send
        self._notify = notify
        self._unspoken_scripts: set[str] = set()
        """Those that users have been told of."""
        self._tracker = HeardTracker()
        self._cue: common_pb2.Cue | None = None
        self._source: Source | None = None
        self._prepared: Prepared | None = None
        self._voices: set[Voice] = set()
        self.output = Output(
            manner, peers, metrics, timeline, self._tracker, now=now, feed=feed, send=send, notify=notify, overhear=overhear
        )

    # --- what is asked of it ------------------------------------------------------------------------------------------

    @property
    def reply(self) -> Reply:
        return self._tracker.reply

    @property
    def position(self) -> int:
        """So many samples of the reply in hand have been heard."""
        return self._tracker.position(self.reply)

    @property
    def synthesis(self) -> tts_pb2.SynthesizeConfig:
        """What the voice is asked for beside all replies."""
        return self._manner.synthesis(turn_id=0)

    def begin(self, turn_id: int, answers: Sequence[str] = ()) -> None:
        """The next reply, and the ids of the utterances that it answers."""
        self._tracker.begin(turn_id, answers)
        self._cue = None

    def express(self, cue: common_pb2.Cue) -> None:
        """The expression of the speech that comes next."""
        if cue.name in self._manner.cues:
            self._cue = cue

    def nod(self) -> bool:
        """A small nod now, if the face can; False when it cannot be seen."""
        if _NOD not in self._manner.cues or not self.output.visible:
            return False
        self.output.direct(cue=common_pb2.Cue(name=_NOD, intensity=_NOD_INTENSITY))
        return True

    def prepare(self, turn_id: int, text: str) -> None:
        """Has the first words of a reply spoken; they are kept until they are said."""
        self._forget_prepared()
        if "tts" in self._abilities.lost:
            return
        self._prepared = prepared = Prepared(text)
        self._prepared.voice = self._open_voice(turn_id, prepared.take, prepared.end)
        prepared.voice.say(text)

    def perform(self, source: Source) -> None:
        """The reply in hand has its words and its sound from there."""
        self._forget_prepared()
        self._source = source

    def say(self, turn_id: int, text: str) -> None:
        if self.reply.turn_id != turn_id:
            self.begin(turn_id)
        self.reply.text += text
        if self.reply.voiceless:
            self._show_text(text)
            return
        if self._source is None or self._source.turn_id != turn_id:
            if self._adopt(turn_id, text):
                return
            self._source = self._open_voice(turn_id, self.on_audio, self.on_source_end)
        self._source.say(text)

    def say_end(self, turn_id: int) -> None:
        if self.reply.turn_id == turn_id:
            self.reply.text_complete = True
            if self.reply.voiceless:
                self._complete(self.reply)
        if self._source is not None and self._source.turn_id == turn_id:
            self._source.end()

    def silence(self, newest_turn_id: int) -> None:
        """Clears every queue of what belongs to older turns."""
        if self._prepared is not None and self._prepared.voice.turn_id < newest_turn_id:
            self._forget_prepared()
        if self._source is not None:
            self._source.cancel()
            self._source = None
        self.output.clear(newest_turn_id)

    def played(self, unit_index: int) -> None:
        self._tracker.played(unit_index)

    def truncate(self, unit_index: int) -> Reply | None:
        return self._tracker.truncate(unit_index)

    def heard_text(self, reply: Reply, *, interrupted: bool) -> str:
        return self._tracker.heard_text(reply, interrupted=interrupted)

    async def leave(self) -> None:
        """Ends what still runs."""
        for voice in tuple(self._voices):
            voice.cancel()
            await voice.closed()

    # --- where it comes from ------------------------------------------------------------------------------------------

    def _open_voice(
        self, turn_id: int, on_audio: Callable[[tts_pb2.Audio], None], on_end: Callable[[Source, VivantError | None], None]
    ) -> Voice:
        manner, config = self._manner, self._manner.synthesis(turn_id)
        voice = Voice(turn_id, self._peers, config, manner.voice_timeout_s, on_audio=on_audio, on_end=on_end)
        self._voices.add(voice)
        voice.when_gone(self._voices.discard)
        return voice

    def _adopt(self, turn_id: int, text: str) -> bool:
        """The reply begins with the words that were prepared: so does its voice. False when it begins otherwise."""
        prepared, self._prepared = self._prepared, None
        if prepared is None:
            return False
        if prepared.voice.turn_id != turn_id or prepared.text != text or prepared.ended:
            prepared.voice.cancel()
            return False
        self._source = prepared.voice
        prepared.release(self.on_audio, self.on_source_end)
        return True

    def _forget_prepared(self) -> None:
        if self._prepared is not None:
            self._prepared.voice.cancel()
            self._prepared = None

    def on_audio(self, audio: tts_pb2.Audio) -> None:
        """More sound of a reply."""
        reply, source = self.reply, self._source
        if audio.turn_id != reply.turn_id or audio.turn_id < self.output.newest:
            self._metrics.count("vivant_stale_output_total", "audio")
            return
        if source is not None:
            self._abilities.regain(source.ability)
            self._timeline.mark(audio.turn_id, source.stage, self._now())
        speech = face_pb2.Speech(
            turn_id=audio.turn_id, pcm=audio.pcm, start_sample=audio.start_sample, phonemes=audio.phonemes, cue=self._cue
        )
        self._cue = None
        for script in set(audio.unspoken_scripts) - self._unspoken_scripts:
            self._unspoken_scripts.add(script)
            self._notify(notices.unspoken(script))
        reply.words.extend(audio.words)
        reply.speech.append(speech)
        self.output.direct(speech=speech)
        self._show_words(audio.words)

    def place(self, turn_id: int, words: Sequence[common_pb2.Word]) -> None:
        """All words of a reply so far, where they lie as far as it is known now: those that are new are shown."""
        reply = self.reply
        if turn_id == reply.turn_id:
            new = words[len(reply.words) :]
            reply.words[:] = words
            self._show_words(new)

    def on_source_end(self, source: Source, error: VivantError | None) -> None:
        """No more sound comes of a reply, or none can."""
        reply = self.reply
        if source.turn_id != reply.turn_id or source.turn_id < self.output.newest:
            return
        if error is not None:
            self._abilities.lose(source.ability, error)
        if error is not None or not reply.speech:
            # What cannot be spoken is shown, and so counts as heard.
            reply.voiceless = True
            spoken = " ".join(word.text for word in reply.words)
            self._show_text(" ".join(reply.text.split()).removeprefix(spoken))
        if reply.text_complete or error is None:
            self._complete(reply)

    def _complete(self, reply: Reply) -> None:
        """No more of this reply will be spoken."""
        if reply.speech:
            reply.complete = True
            self.output.direct(speech_end=face_pb2.SpeechEnd(turn_id=reply.turn_id))
        else:
            self._feed(ev.VoiceFailed(self._now(), reply.turn_id))

    def _show_words(self, words: Sequence[common_pb2.Word]) -> None:
        if words:
            reply, text = self.reply, " ".join(word.text for word in words)
            caption = session_pb2.Caption(turn_id=reply.turn_id, text=text, words=words, answers_utterance_ids=reply.answers)
            self._send(caption=caption)

    def _show_text(self, text: str) -> None:
        if text.strip():
            reply = self.reply
            caption = session_pb2.Caption(turn_id=reply.turn_id, text=text.strip(), answers_utterance_ids=reply.answers)
            self._send(caption=caption)
