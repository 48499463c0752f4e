"""Vivant for applications: talk to a persona over gRPC.

    async with vivant.connect("localhost:50050") as client:
        async with client.converse(persona="june", video=vivant.Video("vp8", 512), microphone=16_000) as session:
            await session.send_text("Where did you grow up?")
            async for event in session:
                match event:
                    case vivant.Unit(pcm=pcm, frame=frame):
                        ...  # 40 ms of voice and the picture that belongs to it
                    case vivant.Turn(heard_text=text):
                        print(text)
                        await session.finish()

Errors are in `vivant.errors`, recordings in `vivant.audio`, video files in `vivant.recording`, subtitles in `vivant.subtitles`,
personas and portraits in `vivant.enrolment`.

Names are imported when they are first used: services import their contracts from this package and need nothing else of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from vivant.client import Client, connect
    from vivant.conversation import Session
    from vivant.errors import VivantError
    from vivant.events import (
        Addressee,
        Backchannel,
        Caption,
        Event,
        Frame,
        Left,
        Metrics,
        Notice,
        Participant,
        ParticipantKind,
        Passage,
        PersonaCard,
        Ready,
        Relabelled,
        Severity,
        Stage,
        State,
        StateChanged,
        Transcript,
        Turn,
        Unit,
        Word,
    )
    from vivant.formats import Video
    from vivant.info import Component, Model, ServiceInfo, SystemInfo, Unseen
    from vivant.participants import Participants

__all__ = [
    "Addressee",
    "Backchannel",
    "Caption",
    "Client",
    "Component",
    "Event",
    "Frame",
    "Left",
    "Metrics",
    "Model",
    "Notice",
    "Participant",
    "ParticipantKind",
    "Participants",
    "Passage",
    "PersonaCard",
    "Ready",
    "Relabelled",
    "ServiceInfo",
    "Session",
    "Severity",
    "Stage",
    "State",
    "StateChanged",
    "SystemInfo",
    "Transcript",
    "Turn",
    "Unit",
    "Unseen",
    "Video",
    "VivantError",
    "Word",
    "connect",
]

_HOMES = {
    "vivant.client": ("Client", "connect"),
    "vivant.errors": ("VivantError",),
    "vivant.formats": ("Video",),
    "vivant.info": ("Component", "Model", "ServiceInfo", "SystemInfo", "Unseen"),
    "vivant.conversation": ("Session",),
    "vivant.participants": ("Participants",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
_SUBMODULES = ("audio", "enrolment", "errors", "recording", "subtitles")


def __getattr__(name: str) -> object:
    if name in _SUBMODULES:
        return import_module(f"vivant.{name}")
    if name in __all__:
        return getattr(import_module(_HOME_OF.get(name, "vivant.events")), name)
    raise AttributeError(f"module 'vivant' has no attribute {name!r}")
