"""Bringing a person: checks a persona's folder, has its story learnt, and makes a portrait or a base clip ready to be animated.

These calls go to the services themselves, not through the orchestrator.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc

from vivant.channel import open_channel
from vivant.client import CONNECT_TIMEOUT_S, wait_for
from vivant.directory import ask_services
from vivant.errors import InvalidRequest, NotFound
from vivant.face.v1 import face_pb2, face_pb2_grpc
from vivant.fitting import misfits
from vivant.llm.v1 import llm_pb2, llm_pb2_grpc
from vivant.naming import require_persona
from vivant.persona.v1 import persona_pb2
from vivant.status import translate
from vivant.texts import require_unicode

DEFAULT_FACE_ADDRESS: Final = "localhost:50055"
DEFAULT_LLM_ADDRESS: Final = "localhost:50053"
MAX_PORTRAIT_BYTES: Final = 3 * 1024 * 1024
MAX_CLIP_BYTES: Final = 100 * 1024 * 1024
_PIECE: Final = 1024 * 1024
#: Finding the landmarks starts a program of its own, which takes long on a busy machine.
ENROL_TIMEOUT_S: Final = 300.0
#: A minute of video has 1500 pictures, each of which is looked at.
CLIP_TIMEOUT_S: Final = 1800.0
PERSONA_TIMEOUT_S: Final = 20.0
#: A story of 400 passages takes two minutes on two cores that do nothing else.
PREPARE_TIMEOUT_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Persona:
    """A persona whose folder is in order."""

    id: str
    name: str
    description: str
    languages: tuple[str, ...]
    disclosure: str
    greeting: str | None
    voice: str | None
    """None: the default of the voice engine."""
    passages: int
    """How many passages of its life story can be recalled."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an enrolment has got, 0 to 1."""

    done: float
    step: str


@dataclass(frozen=True, slots=True)
class Enrolled:
    """The portrait can be animated."""

    persona: str
    preview: bytes
    """PNG of the portrait as it will be shown, with a few expressions beside it."""
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EnrolledClip:
    """There is a base clip of the person."""

    persona: str
    preview: bytes
    """PNG of pictures of the loop, with what was found in them."""
    warnings: tuple[str, ...]
    report: tuple[str, ...]
    """What was measured, a line each."""


def read_portrait(path: str | Path) -> bytes:
    """The bytes of a picture file; raises NotFound or InvalidRequest if it cannot be a portrait. The face looks closer."""
    return _read(Path(path), MAX_PORTRAIT_BYTES, "a portrait has at most 3 MiB")


def read_clip(path: str | Path) -> bytes:
    """The bytes of a video file; raises NotFound or InvalidRequest if it cannot be a base clip. The face looks closer."""
    return _read(Path(path), MAX_CLIP_BYTES, "a clip has at most 100 MiB")


def _read(path: Path, most: int, rule: str) -> bytes:
    try:
        if not path.is_file():
            raise NotFound(f"{path} is not a file", reason="no_such_file")
        size = path.stat().st_size
        if not 0 < size <= most:
            what = "is empty" if not size else f"has {size / 1e6:.1f} MB; {rule}"
            raise InvalidRequest(f"{path} {what}", reason="wrong_size")
        return path.read_bytes()
    except OSError as exc:
        raise NotFound(f"{path} cannot be read: {exc.strerror}", reason="no_such_file") from exc


async def get_persona(persona: str, *, address: str = DEFAULT_LLM_ADDRESS) -> Persona:
    """Has a persona's folder checked; raises NotFound for an unknown one, Unusable with the rule that is broken."""
    require_unicode("persona", persona)
    async with open_channel(address, proxy=True) as channel:
        await wait_for(channel, address, CONNECT_TIMEOUT_S)
        stub = llm_pb2_grpc.LlmServiceStub(channel)
        try:
            request = llm_pb2.GetPersonaRequest(persona_id=require_persona(persona))
            response = await stub.GetPersona(request, timeout=PERSONA_TIMEOUT_S)
        except grpc.aio.AioRpcError as exc:
            raise translate(exc, address) from exc
    return _persona(response.persona)


async def prepare_persona(persona: str, *, address: str = DEFAULT_LLM_ADDRESS) -> AsyncIterator[Progress | Persona]:
    """Has a persona's life story learnt, so that it can be talked to at once: progress, then the persona as the last item.

    Raises what `get_persona` raises. The service goes on for half a minute when nobody listens any more, then it ends the work;
    what it has learnt until then it keeps.
    """
    async with open_channel(address) as channel:
        await wait_for(channel, address, CONNECT_TIMEOUT_S)
        stub = llm_pb2_grpc.LlmServiceStub(channel)
        request = llm_pb2.PreparePersonaRequest(persona_id=require_persona(persona))
        try:
            async for response in stub.PreparePersona(request, timeout=PREPARE_TIMEOUT_S):
                kind = response.WhichOneof("response")
                if kind == "preparation":
                    yield Progress(response.preparation.done, "learning the life story")
                elif kind == "persona":
                    yield _persona(response.persona)
        except grpc.aio.AioRpcError as exc:
            raise translate(exc, address) from exc


async def check_engines(persona: Persona, addresses: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """What the services at these addresses ("asr", "llm", "tts") cannot do that the persona asks for, a sentence each.

    The second list names the services that do not answer, of which it is not known.
    """
    components = await ask_services(addresses)
    infos = {item.service: item.info for item in components if item.info}
    voices = [voice for info in infos.values() for voice in info.voices]
    found = misfits(persona.languages, persona.voice, {name: info.languages for name, info in infos.items()}, voices)
    return found, [item.service for item in components if item.info is None]


def _persona(found: persona_pb2.Persona) -> Persona:
    card, manner = found.card, found.manner
    return Persona(
        id=card.id,
        name=card.name,
        description=card.description,
        languages=tuple(card.languages),
        disclosure=card.disclosure,
        greeting=card.greeting if card.HasField("greeting") else None,
        voice=manner.voice if manner.HasField("voice") else None,
        passages=found.passages,
    )


async def enroll_portrait(
    persona: str, image: bytes = b"", *, address: str = DEFAULT_FACE_ADDRESS
) -> AsyncIterator[Progress | Enrolled]:
    """Makes a portrait ready: progress, then `Enrolled` as the last item.

    Without an image, the portrait in the persona's folder is taken. Raises Unusable with the rule that a picture breaks, for
    example that it shows two faces.
    """
    require_unicode("persona", persona)
    async with open_channel(address, proxy=True) as channel:
        await wait_for(channel, address, CONNECT_TIMEOUT_S)
        stub = face_pb2_grpc.FaceServiceStub(channel)
        request = face_pb2.EnrollPortraitRequest(persona_id=require_persona(persona), image=image or None)
        try:
            async for response in stub.EnrollPortrait(request, timeout=ENROL_TIMEOUT_S):
                kind = response.WhichOneof("response")
                if kind == "progress":
                    yield Progress(response.progress.done, response.progress.step)
                elif kind == "enrolled":
                    enrolled = response.enrolled
                    yield Enrolled(enrolled.persona_id, enrolled.preview, tuple(enrolled.warnings))
        except grpc.aio.AioRpcError as exc:
            raise translate(exc, address) from exc


async def enroll_clip(
    persona: str, video: bytes, *, address: str = DEFAULT_FACE_ADDRESS
) -> AsyncIterator[Progress | EnrolledClip]:
    """Makes the base clip of a person from a video: progress, then `EnrolledClip` as the last item.

    Raises Unusable with the rule that the video breaks, for example that there are two faces in some of its pictures.
    """
    require_unicode("persona", persona)
    config = face_pb2.EnrollClipConfig(persona_id=require_persona(persona))

    async def requests() -> AsyncIterator[face_pb2.EnrollClipRequest]:
        yield face_pb2.EnrollClipRequest(config=config)
        for start in range(0, len(video), _PIECE):
            yield face_pb2.EnrollClipRequest(piece=face_pb2.ClipPiece(data=video[start : start + _PIECE]))
        yield face_pb2.EnrollClipRequest(finish=face_pb2.Finish())

    async with open_channel(address, proxy=True) as channel:
        await wait_for(channel, address, CONNECT_TIMEOUT_S)
        stub = face_pb2_grpc.FaceServiceStub(channel)
        try:
            async for response in stub.EnrollClip(requests(), timeout=CLIP_TIMEOUT_S):
                kind = response.WhichOneof("response")
                if kind == "progress":
                    yield Progress(response.progress.done, response.progress.step)
                elif kind == "enrolled":
                    made = response.enrolled
                    yield EnrolledClip(made.persona_id, made.preview, tuple(made.warnings), tuple(made.report))
        except grpc.aio.AioRpcError as exc:
            raise translate(exc, address) from exc
