"""vivant.llm.v1 over gRPC: order rules, one conversation a stream. What is said is decided elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Final

from grpc.aio import ServicerContext

from services.common.info import service_info
from services.common.logs import session_context
from services.common.metrics import Metrics
from services.common.streams import Admission, ServerStream, rpc
from services.llm import messages
from services.llm.engine import Engine
from services.llm.memory import embedding
from services.llm.memory.record import Record
from services.llm.memory.store import ConversationStore
from services.llm.persona.library import Personas
from services.llm.reply.briefing import instructions
from services.llm.reply.conversation import Conversation
from services.llm.reply.outputs import Addressed, Broken, Cue, Drafted, Finished, Output, Recalled, Source, Text
from services.llm.reply.reading.characters import printable
from services.llm.reply.replier import Replier
from vivant.common.v1 import common_pb2
from vivant.errors import InvalidRequest, Unavailable, Unimplemented
from vivant.llm.v1 import llm_pb2, llm_pb2_grpc
from vivant.persona.v1 import persona_pb2

FULL_NAME: Final = llm_pb2.DESCRIPTOR.services_by_name["LlmService"].full_name


class LlmServicer(llm_pb2_grpc.LlmServiceServicer):
    def __init__(
        self, engine: Engine, personas: Personas, store: ConversationStore, admission: Admission, metrics: Metrics
    ) -> None:
        self._engine = engine
        self._personas = personas
        self._store = store
        self._admission = admission
        self._lanes = set(range(admission.capacity))
        self.metrics = metrics

    @rpc
    async def GetInfo(self, request: llm_pb2.GetInfoRequest, context: ServicerContext[Any, Any]) -> llm_pb2.GetInfoResponse:
        engine = self._engine.info
        # An engine makes words; personas and their memories are the service's.
        info = replace(engine, languages=("en",), models=(*engine.models, embedding.MODEL))
        capabilities = common_pb2.LlmCapabilities(
            prefill=engine.prefill,
            drafts=True,
            cues=True,
            sources=True,
            addressees=self._personas.settings.who_is_meant != "off",
            tools=False,
            memory=False,
        )
        return llm_pb2.GetInfoResponse(
            info=service_info(info, self._admission, capabilities, activities=self._personas.activities())
        )

    @rpc
    async def ListPersonas(
        self, request: llm_pb2.ListPersonasRequest, context: ServicerContext[Any, Any]
    ) -> llm_pb2.ListPersonasResponse:
        return llm_pb2.ListPersonasResponse(personas=map(messages.persona_message, await self._personas.usable()))

    @rpc
    async def GetPersona(
        self, request: llm_pb2.GetPersonaRequest, context: ServicerContext[Any, Any]
    ) -> llm_pb2.GetPersonaResponse:
        persona = await self._personas.get(request.persona_id)
        found = messages.persona_message(persona)
        try:
            await self._personas.replier(request.persona_id)
        except Unavailable:
            found.preparation.done = self._personas.done(persona.id)
        return llm_pb2.GetPersonaResponse(persona=found)

    @rpc
    async def PreparePersona(  # type: ignore[override]
        self, request: llm_pb2.PreparePersonaRequest, context: ServicerContext[Any, Any]
    ) -> None:
        stream: ServerStream[Any, llm_pb2.PreparePersonaResponse] = ServerStream(context, llm_pb2.PreparePersonaResponse)
        async with aclosing(self._personas.prepare(request.persona_id)) as steps:
            async for done in steps:
                await stream.send(preparation=persona_pb2.Preparation(done=done))
        await stream.send(persona=messages.persona_message(await self._personas.get(request.persona_id)))

    @rpc
    async def Brief(self, request: llm_pb2.BriefRequest, context: ServicerContext[Any, Any]) -> llm_pb2.BriefResponse:
        replier = await self._personas.replier(request.persona_id)
        record = await self._record(llm_pb2.GenerateConfig(conversation_id=request.conversation_id), replier)
        if problem := record.take_problem():
            raise problem
        return llm_pb2.BriefResponse(
            instructions=instructions(replier.recaller.persona), history=map(messages.utterance, record.entries)
        )

    @rpc
    async def Generate(self, request_iterator: Any, context: ServicerContext[Any, Any]) -> None:  # type: ignore[override]
        stream: ServerStream[llm_pb2.GenerateRequest, llm_pb2.GenerateResponse] = ServerStream(
            context, llm_pb2.GenerateResponse
        )
        with self._admission.admit():
            config = await stream.config(take=False)
            session_context(session_id=config.session_id, persona=config.persona_id)
            if config.tools:
                raise _no_tools()
            replier = await self._personas.replier(config.persona_id)
            record = await self._record(config, replier)
            await stream.take()
            lane = min(self._lanes)
            self._lanes.remove(lane)
            try:
                async with asyncio.TaskGroup() as tasks:
                    outlet = _Outlet(stream, tasks, self.metrics)
                    conversation = Conversation(replier, lane, outlet, record)
                    try:
                        conversation.start()
                        await _converse(stream, conversation, record, config.session_id)
                        if stream.finished:
                            await conversation.finish()
                    finally:
                        await conversation.close()
            finally:
                self._lanes.add(lane)

    async def _record(self, config: llm_pb2.GenerateConfig, replier: Replier) -> Record:
        """What was said before, with what is said kept from now on; without a conversation_id nothing is kept."""
        conversation_id, session_id = messages.identifier(config.conversation_id), messages.identifier(config.session_id)
        participants = [messages.participant(each) for each in config.participants]
        record = Record(replier.recaller.persona, replier.settings.history_words, session_id)
        if conversation_id:
            await record.open(self._store, conversation_id)
        for each in participants:
            record.meet(each)
        return record


class _Outlet:
    """What a conversation says, as messages."""

    def __init__(self, stream: ServerStream[Any, Any], tasks: asyncio.TaskGroup, metrics: Metrics) -> None:
        self._stream = stream
        self._tasks = tasks
        self._metrics = metrics

    async def emit(self, turn_id: int, output: Output) -> None:
        match output:
            case Drafted(text):
                await self._stream.send(draft=llm_pb2.Draft(turn_id=turn_id, text=text))
            case Addressed(words, nearest, likeness, shares):
                meant = [common_pb2.Addressee(participant_id=each, probability=likely) for each, likely in shares]
                await self._stream.send(
                    addressed=llm_pb2.Addressed(
                        turn_id=turn_id, text=words, addressees=meant, nearest=nearest, likeness=likeness
                    )
                )
            case Recalled(words, text):
                await self._stream.send(recalled=llm_pb2.Recalled(turn_id=turn_id, words=words, text=text))
            case Text(text):
                await self._stream.send(text=llm_pb2.ReplyText(turn_id=turn_id, text=text))
            case Cue(cue):
                named = common_pb2.Cue(name=cue.name, intensity=cue.intensity)
                await self._stream.send(cue=llm_pb2.ReplyCue(turn_id=turn_id, cue=named))
            case Source(passage, similarity):
                source = llm_pb2.Source(
                    turn_id=turn_id,
                    passage_id=passage.id,
                    question=passage.question or None,
                    text=passage.text,
                    similarity=similarity,
                )
                await self._stream.send(source=source)
            case Finished(done, first_token_us, answers):
                self._metrics.observe("vivant_first_token_seconds", first_token_us / 1e6)
                self._metrics.count("vivant_prompt_tokens_total", "read", done.usage.prompt_tokens)
                self._metrics.count("vivant_prompt_tokens_total", "cached", done.usage.cached_tokens)
                if done.problem:
                    self._metrics.count("vivant_errors_total", done.problem.reason)
                await self._stream.send(
                    done=llm_pb2.Done(
                        turn_id=turn_id,
                        prompt_tokens=done.usage.prompt_tokens,
                        reply_tokens=done.usage.reply_tokens,
                        cached_tokens=done.usage.cached_tokens,
                        first_token_us=first_token_us,
                        corrected=done.corrected,
                        reason=done.problem.reason if done.problem else None,
                        message=printable(done.problem.message) if done.problem else None,
                        answers_utterance_id=answers,
                    )
                )
            case Broken(error):
                self._metrics.count("vivant_errors_total", error.reason)
                message = printable(error.message)
                failed = llm_pb2.Failed(turn_id=turn_id, reason=error.reason, message=message, retryable=error.retryable)
                await self._stream.send(failed=failed)

    def stale(self) -> None:
        self._metrics.count("vivant_stale_output_total", "llm")

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        return self._tasks.create_task(work, name=name)


async def _converse(stream: ServerStream[Any, Any], conversation: Conversation, record: Record, session_id: str) -> None:
    """Passes on what comes in until the stream ends."""
    async for kind, message in stream:
        match kind:
            case "words":
                turn_id, speaker = messages.turn_of(message.turn_id), messages.participant_id(message.participant_id)
                others = messages.participant_ids(message.candidate_ids)
                text = messages.text_of(message.text)
                await conversation.words(turn_id, text, speaker, draft=message.draft, others=others, recall=message.recall)
            case "commit":
                if not message.HasField("utterance"):
                    raise InvalidRequest("commit needs an utterance, whose text may be empty", reason="no_utterance")
                entry = messages.entry(message.utterance, session_id, messages.turn_of(message.turn_id))
                await (conversation.answered_elsewhere if message.answered_elsewhere else conversation.commit)(entry)
            case "cancel":
                await conversation.cancel(messages.turn_of(message.turn_id))
            case "heard":
                conversation.heard(messages.heard(message, record.persona_id, session_id))
            case "utterance":
                conversation.utterance(messages.entry(message, session_id))
            case "participant":
                record.meet(messages.participant(message))
            case "relabel":
                record.relabel(*messages.relabelled(message, record.persona_id))
            case "tool_result":
                raise _no_tools()


def _no_tools() -> Unimplemented:
    return Unimplemented("the llm service calls no tools yet; leave them out", reason="tools_unimplemented")
