"""The parts of a session, from what hears to what speaks, put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from services.common.metrics import Metrics
from services.orchestrator.dialog.events import CLOCK_HZ
from services.orchestrator.hearing.listener import Listener, Whom
from services.orchestrator.hearing.microphones import Microphones
from services.orchestrator.hearing.utterances import Utterances
from services.orchestrator.links.clients import Peers
from services.orchestrator.session.abilities import Abilities
from services.orchestrator.session.context import SessionContext
from services.orchestrator.session.effect_runner import EffectRunner
from services.orchestrator.session.opening import Opening
from services.orchestrator.session.persona_link import PersonaLink
from services.orchestrator.session.requests import Requests
from services.orchestrator.session.roster import Roster
from services.orchestrator.session.speech_link import SpeechLink
from services.orchestrator.session.style import performed
from services.orchestrator.session.timeline import Timeline
from services.orchestrator.settings import OrchestratorSettings
from services.orchestrator.speaking.stage import Stage


@dataclass(frozen=True)
class Parts:
    """What a session is made of."""

    microphones: Microphones
    stage: Stage
    persona_link: PersonaLink
    speech_link: SpeechLink | None
    """None: no model speaks by itself."""
    runner: EffectRunner
    requests: Requests


def compose(
    opening: Opening,
    context: SessionContext,
    roster: Roster,
    peers: Peers,
    settings: OrchestratorSettings,
    *,
    metrics: Metrics,
    conversation_id: str,
    abilities: Abilities,
    unix_us: Callable[[], int],
    connect: Callable[[Listener], Callable[[], None]],
    whom: Whom,
    end: Callable[[], None],
) -> Parts:
    """Joins them; `unix_us` is the wall clock of sample 0 of the session clock, `connect` opens the streams of a microphone."""
    timeline = Timeline(metrics)
    utterances = Utterances(context.session_id, lambda at: unix_us() + at * 1_000_000 // CLOCK_HZ)
    microphones = Microphones(
        opening, peers, settings.max_speakers, context, connect, whom=whom, company=roster, utterances=utterances
    )
    stage = Stage(
        performed(opening, context.session_id, settings),
        peers,
        abilities,
        metrics,
        timeline,
        now=context.now,
        feed=context.feed,
        send=context.send,
        notify=context.notify,
        overhear=microphones.overhear,
    )
    persona_link = PersonaLink(
        peers,
        context,
        stage,
        timeline,
        utterances,
        abilities=abilities,
        roster=roster,
        persona_id=opening.card.id,
        conversation_id=conversation_id,
    )
    speech_link = None
    if peers.speech is not None:
        speech_link = SpeechLink(
            opening,
            peers,
            context,
            stage=stage,
            timeline=timeline,
            metrics=metrics,
            abilities=abilities,
            conversation_id=conversation_id,
            timeout_s=settings.speech_timeout_s,
            instead=persona_link.reply_after_all,
        )
        persona_link.on_recalled = speech_link.know
    runner = EffectRunner(
        opening,
        context,
        persona_link,
        stage,
        microphones,
        speech_link=speech_link,
        utterances=utterances,
        timeline=timeline,
        metrics=metrics,
        end=end,
    )
    requests = Requests(
        opening, context, stage, microphones, runner, roster=roster, utterances=utterances, speech_link=speech_link
    )
    return Parts(microphones, stage, persona_link, speech_link, runner, requests)
