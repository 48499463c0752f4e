"""The face contract over gRPC: one reader, one maker and one writer for each stream."""

from __future__ import annotations

import asyncio
import secrets
import zlib
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any, Final

from services.common.audio import to_float
from services.common.info import service_info
from services.common.logs import get_logger, session_context
from services.common.metrics import Metrics
from services.common.metronome import UNIT_S, Metronome
from services.common.playout.emission import Playback
from services.common.playout.playout import Playout
from services.common.streams import Admission, Cancelled, ServerStream, rpc
from services.face import wire
from services.face.animation import Animation
from services.face.codecs import Codec, make_encoder
from services.face.engine import FRAMES_PER_SECOND, FaceEngine, resting
from services.face.enrolment.enroller import Enroller
from services.face.outbox import Outbox, Outgoing
from vivant.common.v1 import common_pb2
from vivant.errors import NotFound, Timeout, Unavailable, Unusable
from vivant.face.v1 import face_pb2, face_pb2_grpc

_log = get_logger(__name__)

FULL_NAME: Final = face_pb2.DESCRIPTOR.services_by_name["FaceService"].full_name
#: A client that accepts nothing for so long has lost the session.
WRITE_TIMEOUT_S: Final = 10.0
#: Edge of the portrait that is given out.
STILL_PX: Final = 512
#: A picture is begun so long before its unit leaves, unless the settings say otherwise.
LEAD_MS: Final = 20


class FaceStream:
    """One Animate call after its config."""

    def __init__(self, engine: FaceEngine, metrics: Metrics, lead_s: float, config: face_pb2.AnimateConfig) -> None:
        self._engine = engine
        self._metrics = metrics
        self._config = config
        self._persona = wire.persona_id(config.persona_id)
        self._video = wire.video(config, engine.info.sizes_px)
        self._playout = Playout(wire.sample_rate(config))
        self._outbox = Outbox()
        self._animation = Animation(
            self._playout, self._outbox, Metronome(UNIT_S), metrics, lead_s, ahead_s=engine.info.ahead_s
        )
        self._slots = self._animation.slots

    async def run(self, stream: ServerStream[Any, Any]) -> None:
        """Serves the stream until `finish`, or until the client is gone."""
        async with asyncio.TaskGroup() as group:
            writer = group.create_task(self._write(stream), name="write")
            maker = group.create_task(self._make(), name="make")
            async for kind, payload in stream:
                self._apply(kind, payload)
            maker.cancel()
            self._outbox.close()
            if not stream.finished:
                writer.cancel()
        if not stream.finished:
            raise Cancelled

    async def _make(self) -> None:
        if self._video is None:
            await self._animation.run_silent()
        else:
            session = self._config.session_id
            seed = zlib.crc32(session.encode()) if session else secrets.randbits(32)
            await self._animation.run(self._engine, self._persona, self._video, seed)

    async def _write(self, stream: ServerStream[Any, Any]) -> None:
        while (item := await self._outbox.get()) is not None:
            try:
                async with asyncio.timeout(WRITE_TIMEOUT_S):
                    if isinstance(item, Outgoing):
                        await stream.send(unit=wire.unit(item))
                    elif isinstance(item, Playback):
                        await stream.send(playback=wire.playback(item))
                    else:
                        await stream.send(trouble=wire.trouble(item))
            except TimeoutError:
                message = f"the client has read nothing for {WRITE_TIMEOUT_S:.0f} s; read units as they come"
                raise Timeout(message, reason="slow_client") from None

    def _apply(self, kind: str, payload: Any) -> None:
        match kind:
            case "speech":
                self._speech(payload)
            case "speech_end":
                turn_id = wire.turn(payload.turn_id)
                self._supersede(turn_id)
                self._report(self._playout.end(turn_id), "speech_end")
            case "aside":
                wire.check_aside(payload.pcm, self._playout.rate)
                phonemes = wire.phonemes(payload)
                if self._playout.aside(to_float(payload.pcm)):
                    self._slots.aside(phonemes)
            case "cue":
                self._slots.express(wire.cue(payload, self._engine.info))
            case "look":
                self._slots.look = wire.look(payload)
            case "duck":
                self._playout.duck()
            case "pause":
                self._report(self._playout.pause(), kind)
            case "resume":
                self._report(self._playout.resume(), kind)
            case "clear":
                self._supersede(wire.turn(payload.newest_turn_id))
            case "keyframe":
                self._animation.keyframe_wanted = True

    def _speech(self, speech: face_pb2.Speech) -> None:
        turn_id = wire.turn(speech.turn_id)
        wire.check_pcm(speech.pcm, self._playout.rate)
        phonemes = wire.phonemes(speech)
        cue = wire.cue(speech.cue, self._engine.info) if speech.HasField("cue") else None
        self._supersede(turn_id)
        events = self._playout.push(turn_id, to_float(speech.pcm), speech.start_sample)
        if events is not None:
            self._slots.speech(turn_id, speech.start_sample, phonemes, cue)
        self._report(events, "speech")

    def _supersede(self, newest_turn_id: int) -> None:
        """Removes what is older, here and on the way out."""
        unheard = self._outbox.silence(newest_turn_id)
        if unheard:
            self._metrics.count("vivant_stale_output_total", "outbox")
        self._report(self._playout.clear(newest_turn_id, unheard), "clear")

    def _report(self, events: Sequence[Playback] | None, stage: str) -> None:
        """Sends `events` after the units before them; None says that what came in was stale."""
        if events is None:
            self._metrics.count("vivant_stale_output_total", stage)
            return
        for event in events:
            self._outbox.report(event)


class FaceServicer(face_pb2_grpc.FaceServiceServicer):
    """The service."""

    def __init__(
        self, engine: FaceEngine, enroller: Enroller, admission: Admission, metrics: Metrics, lead_ms: int = LEAD_MS
    ) -> None:
        self._engine = engine
        self._enroller = enroller
        self._admission = admission
        self._lead_s = lead_ms / 1000
        self.metrics = metrics

    @rpc
    async def GetInfo(self, request: face_pb2.GetInfoRequest, context: Any) -> face_pb2.GetInfoResponse:
        """What this face can do."""
        info = self._engine.info
        return face_pb2.GetInfoResponse(
            info=service_info(
                info,
                self._admission,
                common_pb2.FaceCapabilities(phonemes=info.phonemes, cues=info.cues),
                input_rates_hz=wire.RATES_HZ,
                output_rates_hz=wire.RATES_HZ,
                output_video=wire.output_video(info.sizes_px),
            )
        )

    @rpc
    async def GetPortrait(self, request: face_pb2.GetPortraitRequest, context: Any) -> face_pb2.GetPortraitResponse:
        """The face at rest."""
        if not self._admission.ready:
            raise Unavailable("face is still loading; try again in a few seconds", reason="loading")
        persona = wire.persona_id(request.persona_id)
        return face_pb2.GetPortraitResponse(jpeg=await asyncio.to_thread(self._still, persona))

    @rpc
    async def CheckPortraits(self, request: face_pb2.CheckPortraitsRequest, context: Any) -> face_pb2.CheckPortraitsResponse:
        """Who cannot be shown."""
        if not self._admission.ready:
            raise Unavailable("face is still loading; try again in a few seconds", reason="loading")
        personas = [wire.persona_id(persona) for persona in request.persona_ids]
        return face_pb2.CheckPortraitsResponse(unseen=await asyncio.to_thread(self._unseen, personas))

    def _unseen(self, personas: Sequence[str]) -> list[face_pb2.Unseen]:
        unseen = []
        for persona in personas:
            try:
                self._engine.check(persona)
            except (NotFound, Unusable) as exc:
                unseen.append(face_pb2.Unseen(persona_id=persona, reason=exc.reason, message=exc.message))
        return unseen

    def _still(self, persona: str) -> bytes:
        session = self._engine.open(persona, STILL_PX, FRAMES_PER_SECOND, seed=0)
        encoder = make_encoder(Codec.JPEG, STILL_PX)
        try:
            return encoder.encode(session.render(resting()), keyframe=True).data
        finally:
            encoder.close()
            session.close()

    @rpc
    async def Animate(self, _: Any, context: Any) -> None:  # type: ignore[override]
        """The face of one conversation."""
        stream: ServerStream[Any, Any] = ServerStream(context, face_pb2.AnimateResponse)
        with self._admission.admit():
            config = await stream.config()
            session_context(session_id=config.session_id)
            await FaceStream(self._engine, self.metrics, self._lead_s, config).run(stream)

    @rpc
    async def EnrollPortrait(self, request: face_pb2.EnrollPortraitRequest, context: Any) -> None:  # type: ignore[override]
        """Makes a portrait ready to be animated."""
        persona = wire.persona_id(request.persona_id)
        if not self._admission.ready:
            raise Unavailable("face is still loading; try again in a few seconds", reason="loading")
        stream: ServerStream[Any, Any] = ServerStream(context, face_pb2.EnrollPortraitResponse)
        async with aclosing(self._enroller.enrol(persona, request.image)) as steps:
            async for step in steps:
                await stream.send(**wire.enrolment(persona, step))

    @rpc
    async def EnrollClip(self, _: Any, context: Any) -> None:  # type: ignore[override]
        """Makes the base clip of a person."""
        stream: ServerStream[Any, Any] = ServerStream(context, face_pb2.EnrollClipResponse)
        persona = wire.persona_id((await stream.config()).persona_id)
        if not self._admission.ready:
            raise Unavailable("face is still loading; try again in a few seconds", reason="loading")
        # Nobody sends a hundred megabytes to be told afterwards that there is no consent.
        self._enroller.require_allowed(persona)
        data = bytearray()
        async for _, piece in stream:
            data += piece.data
            wire.check_clip(len(piece.data), len(data))
        if not stream.finished:
            raise Cancelled
        async with aclosing(self._enroller.enrol_clip(persona, bytes(data))) as steps:
            async for step in steps:
                await stream.send(**wire.clip_enrolment(persona, step))
