"""Bringing a person: checks a persona's folder, and makes a portrait ready to be animated.

These calls go to the llm and face services themselves, not through the orchestrator.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc

from vivant.channel import open_channel
from vivant.client import CONNECT_TIMEOUT_S, wait_for
from vivant.errors import InvalidRequest, NotFound
from vivant.face.v1 import face_pb2, face_pb2_grpc
from vivant.llm.v1 import llm_pb2, llm_pb2_grpc
from vivant.status import translate
from vivant.texts import require_unicode

DEFAULT_FACE_ADDRESS: Final = "localhost:50055"
DEFAULT_LLM_ADDRESS: Final = "localhost:50053"
MAX_PORTRAIT_BYTES: Final = 3 * 1024 * 1024
#: Finding the landmarks starts a program of its own, which takes long on a busy machine.
ENROL_TIMEOUT_S: Final = 300.0
PERSONA_TIMEOUT_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Persona:
    """A persona whose folder is in order."""

    id: str
    name: str
    description: str
    languages: tuple[str, ...]
    disclosure: str
    greeting: str
    voice: str
    """Empty: the default of the voice engine."""
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


def read_portrait(path: str | Path) -> bytes:
    """The bytes of a picture file; raises NotFound or InvalidRequest if it cannot be a portrait. The face looks closer."""
    path = Path(path)
    try:
        if not path.is_file():
            raise NotFound(f"{path} is not a file", reason="no_such_file")
        size = path.stat().st_size
        if not 0 < size <= MAX_PORTRAIT_BYTES:
            what = "is empty" if not size else f"has {size / 1e6:.1f} MB; a portrait has at most 3 MiB"
            raise InvalidRequest(f"{path} {what}", reason="wrong_size")
        return path.read_bytes()
    except OSError as exc:
        raise NotFound(f"{path} cannot be read: {exc.strerror}", reason="no_such_file") from exc


async def get_persona(persona: str, *, address: str = DEFAULT_LLM_ADDRESS) -> Persona:
    """Has a persona's folder checked; raises NotFound for an unknown one, Unusable with the rule that is broken."""
    require_unicode("persona", persona)
    async with open_channel(address) as channel:
        await wait_for(channel, address, CONNECT_TIMEOUT_S)
        stub = llm_pb2_grpc.LlmServiceStub(channel)
        try:
            response = await stub.GetPersona(llm_pb2.GetPersonaRequest(persona=persona), timeout=PERSONA_TIMEOUT_S)
        except grpc.aio.AioRpcError as exc:
            raise translate(exc, address) from exc
    found = response.persona
    return Persona(
        id=found.id,
        name=found.name,
        description=found.description,
        languages=tuple(found.languages),
        disclosure=found.disclosure,
        greeting=found.greeting,
        voice=found.voice,
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
    async with open_channel(address) as channel:
        await wait_for(channel, address, CONNECT_TIMEOUT_S)
        stub = face_pb2_grpc.FaceServiceStub(channel)
        request = face_pb2.EnrollPortraitRequest(persona=persona, image=image)
        try:
            async for response in stub.EnrollPortrait(request, timeout=ENROL_TIMEOUT_S):
                kind = response.WhichOneof("response")
                if kind == "progress":
                    yield Progress(response.progress.done, response.progress.step)
                elif kind == "enrolled":
                    enrolled = response.enrolled
                    yield Enrolled(enrolled.persona, enrolled.preview, tuple(enrolled.warnings))
        except grpc.aio.AioRpcError as exc:
            raise translate(exc, address) from exc
