"""How a persona's manner sets the dialog machine and the stage."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog.state import Style
from services.orchestrator.session.opening import Opening
from services.orchestrator.settings import OrchestratorSettings
from services.orchestrator.speaking.manner import Manner
from vivant.persona.v1 import persona_pb2
from vivant.session.v1 import session_pb2

_BACKCHANNEL_INTERVAL_MS: Final = 8_000
_LEAST_PATIENCE: Final = 0.5
_MOST_PATIENCE: Final = 3.0


def style_of(opening: Opening, settings: OrchestratorSettings) -> Style:
    """What the dialog machine goes by."""
    manual, listening = opening.manual_turns, opening.config.HasField("input_audio")
    wanted = opening.manner
    usual = Style()
    patience = min(max(wanted.patience, _LEAST_PATIENCE), _MOST_PATIENCE) if wanted.HasField("patience") else 1.0
    interval_ms = wanted.backchannel_interval_ms if wanted.HasField("backchannel_interval_ms") else _BACKCHANNEL_INTERVAL_MS
    return replace(
        usual,
        interruptible=settings.interruptible and not manual and _yes(wanted, "interruptible"),
        manual_turns=manual,
        breaking_in_cost_s=usual.breaking_in_cost_s * patience,
        longest_pause=round(usual.longest_pause * patience),
        story_silence=round(usual.story_silence * patience),
        # A speech model has little words of its own, in a voice of its own.
        filler_after=usual.filler_after if wanted.fillers and not settings.speech_address else None,
        nods=_yes(wanted, "nods"),
        nod_every=ev.ms(wanted.nod_interval_ms) if wanted.HasField("nod_interval_ms") else usual.nod_every,
        backchannel_every=ev.ms(interval_ms) if wanted.backchannels else None,
        silent_after=ev.ms(wanted.prompt_delay_ms) if wanted.HasField("prompt_delay_ms") else usual.silent_after,
        # Who only types may be reading, or thinking: nobody is hurried.
        prompts=bool(wanted.prompts) and listening and opening.config.initiative != session_pb2.INITIATIVE_NONE,
        waits=bool(wanted.waits),
        names=(opening.card.name, opening.card.id),
    )


def performed(opening: Opening, session_id: str, settings: OrchestratorSettings) -> Manner:
    """How the stage performs its replies."""
    return Manner(
        session_id=session_id,
        persona=opening.card.id,
        voice=opening.voice,
        language=opening.language,
        audio=opening.output_audio,
        video=opening.video,
        cues=opening.cues,
        voice_timeout_s=settings.voice_timeout_s,
        speech_rate=opening.manner.speech_rate if opening.manner.HasField("speech_rate") else None,
    )


def _yes(manner: persona_pb2.Manner, field: str) -> bool:
    """Absent means yes."""
    return bool(getattr(manner, field)) if manner.HasField(field) else True  # type: ignore[arg-type]
