"""A session as the client is shown it, in GA shape."""

from __future__ import annotations

from typing import Any

import vivant
from services.gateway.realtime.config import Config


def shown_session(session_id: str, ready: vivant.Ready, config: Config, asked_model: str) -> dict[str, Any]:
    """What holds, who is there, and which wishes are not followed; `asked_model` is what the client has called the persona."""
    persona = ready.persona
    ignored = dict(config.ignored)
    if asked_model not in ("", persona.id):
        ignored["model"] = f"there is no persona {asked_model[:80]!r} here; this is {persona.name}"
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": session_id,
        "model": f"vivant/{persona.id}",
        "expires_at": None,
        **config.shown(persona.id, persona.description),
        "vivant": {
            "persona": persona.id,
            "name": persona.name,
            "disclosure": persona.disclosure,
            "conversation_id": ready.conversation_id,
            "missing": [ability for ability in ready.missing if ability != "face"],
            "ignored": ignored,
        },
    }
