"""A session and the llm service: what was said goes there and is remembered, replies come back."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog.events import Contribution, Evidence
from services.orchestrator.hearing.utterances import Utterances
from services.orchestrator.links.clients import Peers
from services.orchestrator.links.link import Link
from services.orchestrator.session import notices
from services.orchestrator.session.abilities import Abilities
from services.orchestrator.session.context import SessionContext
from services.orchestrator.session.roster import Roster
from services.orchestrator.session.timeline import Timeline
from services.orchestrator.speaking.stage import Stage
from vivant.common.v1 import common_pb2
from vivant.llm.v1 import llm_pb2
from vivant.session.v1 import session_pb2

#: So many utterances are told again to an llm that was started anew; all before them it has taken long ago.
_TOLD_AGAIN: Final = 20


class PersonaLink:
    """What was said is kept by the llm. What it may not have taken, because it died, is told again when it is back."""

    def __init__(
        self,
        peers: Peers,
        context: SessionContext,
        stage: Stage,
        timeline: Timeline,
        utterances: Utterances,
        *,
        abilities: Abilities,
        roster: Roster,
        persona_id: str,
        conversation_id: str,
    ) -> None:
        self._persona_id = persona_id
        self._stage = stage
        self._timeline = timeline
        self._utterances = utterances
        self._abilities = abilities
        self._roster = roster
        self._conversation_id = conversation_id
        self._context = context
        self._told: OrderedDict[str, tuple[int, common_pb2.Utterance | llm_pb2.Heard]] = OrderedDict()
        self._interrupters: dict[int, str] = {}
        self._explained: set[str] = set()
        self._cut: tuple[int, str] | None = None
        """The reply that was interrupted, and what was heard of it, until somebody has said why."""
        self._elsewhere: tuple[int, common_pb2.Utterance] | None = None
        """The last contribution that somebody else was to answer, and its turn."""
        self.on_recalled: Callable[[str, str], None] = lambda words, text: None
        """Told what words bring to mind, for somebody else who answers them."""
        self.llm: Link = peers.link("llm", self._config)

    # --- what it is told ----------------------------------------------------------------------------------------------

    def think_along(self, turn_id: int, speaker: str, text: str, *, draft: bool, other: str = "", recall: bool = False) -> None:
        """Words so far; `other` may be meant by them as well, and what tells of that comes back as `ev.Addressed`.

        With `recall` somebody else may answer them, and is told what they bring to mind.
        """
        candidates = [self._roster.meet(other).id] if other else []
        words = llm_pb2.HeardWords(
            turn_id=turn_id, text=text, participant_id=speaker, draft=draft, candidate_ids=candidates, recall=recall
        )
        self.llm.send(words=words)

    def reply_to(self, turn_id: int, contribution: Contribution) -> common_pb2.Utterance:
        """Asks for the reply; it has failed at once when nobody can think of one."""
        self._blame(contribution)
        utterance = self._keep(turn_id, contribution)
        self._ask(turn_id, utterance)
        return utterance

    def keep(self, turn_id: int, contribution: Contribution) -> common_pb2.Utterance:
        """Somebody else gives the reply of a turn, and is told what the contribution brings to mind."""
        self._blame(contribution)
        utterance = self._keep(turn_id, contribution)
        self._elsewhere = (turn_id, utterance)
        self.llm.send(commit=llm_pb2.Commit(turn_id=turn_id, utterance=utterance, answered_elsewhere=True))
        return utterance

    def reply_after_all(self, turn_id: int) -> None:
        """Whoever was to answer does not."""
        if self._elsewhere is not None and self._elsewhere[0] == turn_id:
            self._ask(*self._elsewhere)

    def _ask(self, turn_id: int, utterance: common_pb2.Utterance) -> None:
        if "llm" in self._abilities.lost:
            failed = ev.ReplyFailed(self._context.now(), turn_id, retryable=False)
            asyncio.get_running_loop().call_soon(self._context.feed, failed)
            return
        self.llm.send(commit=llm_pb2.Commit(turn_id=turn_id, utterance=utterance))

    def note(self, contribution: Contribution) -> common_pb2.Utterance:
        """Something was said that asks for no reply."""
        self._blame(contribution)
        utterance = self._keep(0, contribution)
        self.llm.send(utterance=utterance)
        return utterance

    def cancel(self, turn_id: int) -> None:
        """Forgets a turn of which nothing was audible."""
        self._told = OrderedDict((key, told) for key, told in self._told.items() if told[0] != turn_id)
        self.llm.send(cancel=llm_pb2.Cancel(turn_id=turn_id))

    def heard(self, turn_id: int, text: str, *, interrupted: bool) -> None:
        """What was heard of a reply is what the persona has said."""
        by = self._interrupters.get(turn_id, "") if interrupted else ""
        self._cut = (turn_id, text) if interrupted and text and not by else None
        self._tell_heard(turn_id, text, interrupted=interrupted, by=by)

    def introduce(self, participant: common_pb2.Participant) -> None:
        """Somebody is there, or is called otherwise now."""
        self.llm.send(participant=participant)

    def merge(self, label: str, known: str) -> None:
        """Two that were told apart are one."""
        for _turn_id, said in self._told.values():
            if isinstance(said, common_pb2.Utterance) and said.participant_id == label:
                said.participant_id = known
        self.llm.send(relabel=common_pb2.Relabel(from_id=label, to_id=known))

    def opened(self, _: str) -> None:
        """The llm was started anew: what it has written down already, it knows by its id."""
        for _turn_id, told in self._told.values():
            if isinstance(told, llm_pb2.Heard):
                self.llm.send(heard=told)
            else:
                self.llm.send(utterance=told)

    async def leave(self) -> None:
        """The conversation is over: waits until the llm has taken all of it, for a moment."""
        await self.llm.finish(llm_pb2.Finish())

    def _blame(self, contribution: Contribution) -> None:
        """Whoever speaks next after an interruption has interrupted: a shared microphone tells no sooner who it is."""
        if self._cut is not None:
            (turn_id, text), self._cut = self._cut, None
            self._interrupters = {turn_id: contribution.speaker}
            self._tell_heard(turn_id, text, interrupted=True, by=contribution.speaker)

    def _tell_heard(self, turn_id: int, text: str, *, interrupted: bool, by: str) -> None:
        heard = llm_pb2.Heard(
            turn_id=turn_id,
            utterance_id=self._utterances.of_reply(turn_id),
            text=text,
            interrupted=interrupted,
            interrupted_by_id=by or None,
        )
        self._remember(heard.utterance_id, turn_id, heard)
        self.llm.send(heard=heard)

    def _keep(self, turn_id: int, contribution: Contribution) -> common_pb2.Utterance:
        if contribution.addressee:
            contribution = replace(contribution, addressee=self._roster.meet(contribution.addressee).id)
        utterance = self._utterances.message(contribution)
        self._remember(utterance.id, turn_id, utterance)
        return utterance

    def _remember(self, key: str, turn_id: int, told: common_pb2.Utterance | llm_pb2.Heard) -> None:
        self._told[key] = (turn_id, told)
        while len(self._told) > _TOLD_AGAIN:
            self._told.popitem(last=False)

    # --- what it says -------------------------------------------------------------------------------------------------

    def on_llm(self, kind: str, message: Any) -> None:
        """A response of the llm."""
        turn_id, now = message.turn_id, self._context.now()
        match kind:
            case "draft":
                self._context.feed(ev.Drafted(now, turn_id, message.text))
            case "addressed":
                likely = {one.participant_id: one.probability for one in message.addressees}
                evidence = Evidence(
                    message.nearest,
                    message.likeness if message.HasField("likeness") else None,
                    likely.get(self._persona_id, 0.0) if likely else None,
                )
                self._context.feed(ev.Addressed(now, turn_id, message.text, evidence))
            case "recalled":
                self.on_recalled(message.words, message.text)
            case "text":
                if self._timeline.mark(turn_id, "llm_first_text", now) and self._timeline.reached(turn_id, "first_unit"):
                    self._context.send(metrics=self._timeline.report(turn_id))
                self._context.feed(ev.ReplyText(now, turn_id, message.text))
            case "cue":
                self._stage.express(message.cue)
            case "source":
                if turn_id == self._stage.reply.turn_id:
                    question = message.question if message.HasField("question") else None
                    passage = session_pb2.Passage(id=message.passage_id, question=question, text=message.text)
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
            persona_id=self._persona_id,
            conversation_id=self._conversation_id,
            session_id=self._context.session_id,
            participants=self._roster.participants,
        )
