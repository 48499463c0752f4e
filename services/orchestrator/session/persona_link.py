"""A session and the llm service: what was said goes there and is remembered, replies come back."""

from __future__ import annotations

import asyncio
from typing import Any

from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog.events import Contribution
from services.orchestrator.links.clients import Peers
from services.orchestrator.links.link import Link
from services.orchestrator.session import notices
from services.orchestrator.session.abilities import Abilities
from services.orchestrator.session.context import SessionContext
from services.orchestrator.session.recollection import Recollection
from services.orchestrator.session.timeline import Timeline
from services.orchestrator.speaking.stage import Stage
from vivant.llm.v1 import llm_pb2
from vivant.session.v1 import session_pb2


class PersonaLink:
    """Keeps the llm and the recollection of the conversation in step."""

    def __init__(
        self,
        peers: Peers,
        context: SessionContext,
        said: Recollection,
        stage: Stage,
        timeline: Timeline,
        *,
        abilities: Abilities,
        persona: str,
        conversation_id: str,
    ) -> None:
        self._persona = persona
        self._said = said
        self._stage = stage
        self._timeline = timeline
        self._abilities = abilities
        self._conversation_id = conversation_id
        self._context = context
        self._interrupters: dict[int, str] = {}
        self._explained: set[str] = set()
        self._cut: tuple[int, str] | None = None
        """The reply that was interrupted, and what was heard of it, until somebody has said why."""
        self.llm: Link = peers.link("llm", self._config)

    # --- what it is told ----------------------------------------------------------------------------------------------

    def think_along(self, turn_id: int, speaker: str, text: str, *, draft: bool, other: str = "") -> None:
        """Words so far; `other` may be meant by them as well, and whether the persona is comes back as `ev.Addressed`."""
        self.llm.send(words=llm_pb2.HeardWords(turn_id=turn_id, text=text, speaker=speaker, draft=draft, other=other))

    def reply_to(self, turn_id: int, contribution: Contribution) -> None:
        """Asks for the reply; it has failed at once when nobody can think of one."""
        self._blame(contribution)
        item = _history_item(contribution)
        self._said.add(turn_id, item)
        if "llm" in self._abilities.lost:
            failed = ev.ReplyFailed(self._context.now(), turn_id, retryable=False)
            asyncio.get_running_loop().call_soon(self._context.feed, failed)
            return
        self.llm.send(commit=llm_pb2.Commit(turn_id=turn_id, utterance=item))

    def note(self, contribution: Contribution) -> None:
        """Something was said that asks for no reply."""
        self._blame(contribution)
        item = _history_item(contribution)
        self._said.add(0, item)
        self.llm.send(utterance=llm_pb2.Utterance(utterance=item))

    def cancel(self, turn_id: int) -> None:
        """Forgets a turn of which nothing was audible."""
        self._said.forget(turn_id)
        self.llm.send(cancel=llm_pb2.Cancel(turn_id=turn_id))

    def heard(self, turn_id: int, text: str, *, interrupted: bool) -> None:
        """What was heard of a reply is what the persona has said."""
        by = self._interrupters.get(turn_id, "") if interrupted else ""
        self._cut = (turn_id, text) if interrupted and text and not by else None
        self._tell_heard(turn_id, text, interrupted=interrupted, by=by)

    def _blame(self, contribution: Contribution) -> None:
        """Whoever speaks next after an interruption has interrupted: a shared microphone tells no sooner who it is."""
        if self._cut is not None:
            (turn_id, text), self._cut = self._cut, None
            self._interrupters = {turn_id: contribution.speaker}
            self._tell_heard(turn_id, text, interrupted=True, by=contribution.speaker)

    def _tell_heard(self, turn_id: int, text: str, *, interrupted: bool, by: str) -> None:
        self._said.heard(turn_id, text, interrupted=interrupted, by=by)
        self.llm.send(heard=llm_pb2.Heard(turn_id=turn_id, text=text, interrupted=interrupted, interrupted_by=by))

    # --- what it says -------------------------------------------------------------------------------------------------

    def on_llm(self, kind: str, message: Any) -> None:
        """A response of the llm."""
        turn_id, now = message.turn_id, self._context.now()
        match kind:
            case "draft":
                self._context.feed(ev.Drafted(now, turn_id, message.text))
            case "addressed":
                self._context.feed(ev.Addressed(now, turn_id, message.text, message.probability))
            case "text":
                if self._timeline.mark(turn_id, "llm_first_text", now) and self._timeline.reached(turn_id, "first_unit"):
                    self._context.send(metrics=self._timeline.report(turn_id))
                self._context.feed(ev.ReplyText(now, turn_id, message.text))
            case "cue":
                self._stage.express(message.cue)
            case "source":
                if turn_id == self._stage.reply.turn_id:
                    passage = session_pb2.Passage(id=message.passage, question=message.question, text=message.text)
                    self._stage.reply.sources.append(passage)
            case "done":
                self._explain(message.reason, message.message)
                self._context.feed(ev.ReplyDone(now, turn_id))
            case "failed":
                self._context.notify(notices.reply_failed(message.reason, message.message, retryable=message.retryable))
                self._context.feed(ev.ReplyFailed(now, turn_id, message.retryable))

    def _explain(self, reason: str, why: str) -> None:
        """Memory has answered in the model's place: why, whoever runs the model has to know, once in a conversation."""
        if reason and reason not in self._explained:
            self._explained.add(reason)
            self._context.notify(notices.reply_failed(reason, why, retryable=False))

    def _config(self) -> llm_pb2.GenerateConfig:
        return llm_pb2.GenerateConfig(
            persona=self._persona,
            conversation_id=self._conversation_id,
            session_id=self._context.session_id,
            history=self._said.items,
        )


def _history_item(contribution: Contribution) -> llm_pb2.HistoryItem:
    return llm_pb2.HistoryItem(speaker=contribution.speaker, addressee=contribution.addressee, text=contribution.text)
