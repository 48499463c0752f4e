"""Whether the system behind the gateway has what the gateway is set to ask it for: GATEWAY_PERSONA, GATEWAY_VIDEO_PX."""

from __future__ import annotations

import asyncio
from typing import Final

import vivant
from services.common.logs import get_logger
from services.gateway.settings import GatewaySettings
from vivant.errors import VivantError

_log = get_logger(__name__)

#: What browsers are sent.
CODEC: Final = "vp8"
_ASK_EVERY_S: Final = 1.0


class SettingsWatch:
    """Finds it out as soon as the system can tell."""

    def __init__(self, client: vivant.Client, settings: GatewaySettings) -> None:
        self._client = client
        self._settings = settings
        self.problems: list[str] = []
        """Sentences that say what it has not."""

    async def run(self) -> None:
        """Ends when it has all. Until then it is asked again: a persona may be added, and the face exchanged."""
        while True:
            try:
                system = await self._client.info()
            except VivantError:
                # Whoever opens a conversation is told why.
                await asyncio.sleep(_ASK_EVERY_S)
                continue
            answers = [wrong_persona(system, self._settings), wrong_size(system, self._settings)]
            found = [answer for answer in answers if answer]
            if found and found != self.problems:
                _log.error("settings_misfit", problems=found)
            self.problems = found
            if all(answer == "" for answer in answers):
                return
            await asyncio.sleep(_ASK_EVERY_S)


def wrong_persona(system: vivant.SystemInfo, settings: GatewaySettings) -> str | None:
    """Why the default of this gateway is nobody; empty: it is somebody; None: that is not known yet."""
    known = [card.id for card in system.personas]
    if not settings.persona or settings.persona in known:
        return ""
    if not known:
        return None
    return (
        f"GATEWAY_PERSONA is {settings.persona!r}, and there is no such persona that can be used; there are: {', '.join(known)}"
    )


def wrong_size(system: vivant.SystemInfo, settings: GatewaySettings) -> str | None:
    """Why the face has no picture for this gateway; empty: it has; None: it has not said yet what it has."""
    face = next((component.info for component in system.components if component.service == "face"), None)
    if face is None or not face.video:
        return None
    if f"{CODEC} {settings.video_px}" in face.video:
        return ""
    sizes = [name.removeprefix(f"{CODEC} ") for name in face.video if name.startswith(f"{CODEC} ")]
    return (
        f"GATEWAY_VIDEO_PX is {settings.video_px}, and the face (FACE_ENGINE {face.engine!r}) shows {CODEC} pictures "
        f"of {', '.join(sizes) or 'no'} pixels only"
    )
