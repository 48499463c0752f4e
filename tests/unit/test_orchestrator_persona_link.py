"""What users are told of the llm's trouble."""

from __future__ import annotations

from typing import Any

from services.orchestrator.dialog import events as ev
from services.orchestrator.session.context import SessionContext
from services.orchestrator.session.persona_link import PersonaLink
from vivant.llm.v1 import llm_pb2


class Parts:
    """Whatever else the link is connected to: nothing of it is asked here."""

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **named: None


def test_why_memory_answered_in_the_models_place_is_told_once_for_each_reason() -> None:
    told: list[tuple[str, str]] = []
    fed: list[ev.Event] = []
    context = SessionContext(
        "s", lambda: 7, fed.append, lambda **_: None, lambda notice: told.append((notice.reason, notice.message))
    )
    parts: Any = Parts()
    persona_link = PersonaLink(parts, context, parts, parts, parts, abilities=parts, persona="june", conversation_id="c")
    for turn_id, why in enumerate(("", "reasoning_used_up", "reasoning_used_up", "empty_reply"), 1):
        persona_link.on_llm("done", llm_pb2.Done(turn_id=turn_id, reason=why, message=f"{why}: do something"))
    assert told == [(why, f"{why}: do something") for why in ("reasoning_used_up", "empty_reply")]
    assert [type(event) for event in fed] == [ev.ReplyDone] * 4, "the reply itself goes on"
