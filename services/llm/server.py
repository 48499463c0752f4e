"""vivant.llm.v1 over gRPC: messages to dataclasses and back, order rules and bounds. What is said is decided elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Final

from grpc.aio import ServicerContext

from services.common.info import service_info
from services.common.logs import session_context
from services.common.metrics import Metrics
from services.common.streams import Admission, ServerStream, rpc
from services.llm.engine import Engine
from services.llm.memory import embedding
from services.llm.memory.history import Utterance
from services.llm.persona.library import Personas
from services.llm.persona.persona import Conversing, Persona
from services.llm.reply.conversation import Addressed, Broken, Conversation, Drafted, Finished, Output
from services.llm.reply.reading.characters import printable
from services.llm.reply.replier import Cue, Source, Text
from vivant.common.v1 import common_pb2
from vivant.errors import InvalidRequest, Unavailable
from vivant.llm.v1 import llm_pb2, llm_pb2_grpc

FULL_NAME: Final = llm_pb2.DESCRIPTOR.services_by_name["LlmService"].full_name
#: The longest text of one message.
MAX_TEXT: Final = 4000
#: The longest history that a conversation may bring.
MAX_HISTORY: Final = 500
_MAX_NAME: Final = 64


class LlmServicer(llm_pb2_grpc.LlmServiceServicer):
    def __init__(self, engine: Engine, personas: Personas, admission: Admission, metrics: Metrics) -> None:
        self._engine = engine
        self._personas = personas
        self._admission = admission
        self._lanes = set(range(admission.capacity))
        self.metrics = metrics

    @rpc
    async def GetInfo(self, request: llm_pb2.GetInfoRequest, context: ServicerContext[Any, Any]) -> llm_pb2.GetInfoResponse:
        engine = self._engine.info
        # An engine makes words; personas and their memories are the service's.
        info = replace(
            engine,
            capabilities=(*engine.capabilities, "words", "draft", "cues", "sources"),
            languages=("en",),
            models=(*engine.models, embedding.MODEL),
        )
        return llm_pb2.GetInfoResponse(info=service_info(info, self._admission, activities=self._personas.activities()))

    @rpc
    async def ListPersonas(
        self, request: llm_pb2.ListPersonasRequest, context: ServicerContext[Any, Any]
    ) -> llm_pb2.ListPersonasResponse:
        return llm_pb2.ListPersonasResponse(personas=map(_persona, await self._personas.usable()))

    @rpc
    async def GetPersona(
        self, request: llm_pb2.GetPersonaRequest, context: ServicerContext[Any, Any]
    ) -> llm_pb2.GetPersonaResponse:
        persona = await self._personas.get(request.persona)
        found = _persona(persona)
        try:
            await self._personas.replier(request.persona)
        except Unavailable:
            found.preparation.done = self._personas.done(persona.id)
        return llm_pb2.GetPersonaResponse(persona=found)

    @rpc
    async def PreparePersona(  # type: ignore[override]
        self, request: llm_pb2.PreparePersonaRequest, context: ServicerContext[Any, Any]
    ) -> None:
        stream: ServerStream[Any, llm_pb2.PreparePersonaResponse] = ServerStream(context, llm_pb2.PreparePersonaResponse)
        async with aclosing(self._personas.prepare(request.persona)) as steps:
            async for done in steps:
                await stream.send(preparation=llm_pb2.Preparation(done=done))
        await stream.send(persona=_persona(await self._personas.get(request.persona)))

    @rpc
    async def Generate(self, request_iterator: Any, context: ServicerContext[Any, Any]) -> None:  # type: ignore[override]
        stream: ServerStream[llm_pb2.GenerateRequest, llm_pb2.GenerateResponse] = ServerStream(
            context, llm_pb2.GenerateResponse
        )
        with self._admission.admit():
            config = await stream.config(take=False)
            history = _history(config.history)
            session_context(session_id=config.session_id, persona=config.persona)
            replier = await self._personas.replier(config.persona)
            await stream.take()
            lane = min(self._lanes)
            self._lanes.remove(lane)
            try:
                async with asyncio.TaskGroup() as tasks:
                    outlet = _Outlet(stream, tasks, self.metrics)
                    conversation = Conversation(replier, lane, outlet, history)
                    try:
                        conversation.start()
                        await _converse(stream, conversation)
                        if stream.finished:
                            await conversation.finish()
                    finally:
                        await conversation.close()
            finally:
                self._lanes.add(lane)


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
            case Addressed(words, likely):
                opinion = llm_pb2.Addressed(turn_id=turn_id, text=words, probability=likely)
                await self._stream.send(addressed=opinion)
            case Text(text):
                await self._stream.send(text=llm_pb2.ReplyText(turn_id=turn_id, text=text))
            case Cue(cue):
                named = common_pb2.Cue(name=cue.name, intensity=cue.intensity)
                await self._stream.send(cue=llm_pb2.ReplyCue(turn_id=turn_id, cue=named))
            case Source(passage, score):
                source = llm_pb2.Source(
                    turn_id=turn_id, passage=passage.id, question=passage.question, text=passage.text, score=score
                )
                await self._stream.send(source=source)
            case Finished(done, first_token_us):
                self._metrics.observe("vivant_first_token_seconds", first_token_us / 1e6)
                if done.problem:
                    self._metrics.count("vivant_errors_total", done.problem.reason)
                await self._stream.send(
                    done=llm_pb2.Done(
                        turn_id=turn_id,
                        prompt_tokens=done.usage.prompt_tokens,
                        reply_tokens=done.usage.reply_tokens,
                        first_token_us=first_token_us,
                        corrected=done.corrected,
                        reason=done.problem.reason if done.problem else "",
                        message=printable(done.problem.message) if done.problem else "",
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


async def _converse(stream: ServerStream[Any, Any], conversation: Conversation) -> None:
    """Passes on what comes in until the stream ends."""
    async for kind, message in stream:
        match kind:
            case "words":
                turn_id, said = _turn(message.turn_id), _said(message.speaker, message.text)
                other = _name(message.other)
                await conversation.words(turn_id, said.text, said.speaker, draft=message.draft, other=other)
            case "commit":
                if not message.HasField("utterance"):
                    raise InvalidRequest("commit needs an utterance, whose text may be empty", reason="no_utterance")
                turn_id = _turn(message.turn_id)
                await conversation.commit(turn_id, _item(message.utterance, turn_id))
            case "cancel":
                await conversation.cancel(_turn(message.turn_id))
            case "heard":
                heard = replace(_said("", message.text), interrupted_by=_name(message.interrupted_by))
                conversation.heard(heard, message.turn_id, interrupted=message.interrupted)
            case "utterance":
                conversation.utterance(_item(message.utterance))


def _turn(turn_id: int) -> int:
    if turn_id == 0:
        raise InvalidRequest("turn_id must be 1 or more, and higher for each new turn", reason="no_turn")
    return turn_id


def _item(item: llm_pb2.HistoryItem, turn_id: int = 0) -> Utterance:
    said = _said(item.speaker, item.text, item.addressee, turn_id=turn_id, interrupted=item.interrupted)
    return replace(said, interrupted_by=_name(item.interrupted_by))


def _said(speaker: str, text: str, addressee: str = "", *, turn_id: int = 0, interrupted: bool = False) -> Utterance:
    if len(text) > MAX_TEXT:
        raise InvalidRequest(
            f"a text has at most {MAX_TEXT} characters, this one has {len(text)}; say it in several contributions",
            reason="text_too_long",
        )
    return Utterance(_name(speaker) or "Spk1", text, _name(addressee), interrupted, turn_id)


def _name(name: str) -> str:
    if len(name) > _MAX_NAME:
        raise InvalidRequest(f"a speaker's name has at most {_MAX_NAME} characters", reason="name_too_long")
    return name


def _history(items: Iterable[llm_pb2.HistoryItem]) -> list[Utterance]:
    history = [_item(item) for item in items]
    if len(history) > MAX_HISTORY:
        raise InvalidRequest(f"history has at most {MAX_HISTORY} items, not {len(history)}", reason="history_too_long")
    return history


def _persona(persona: Persona) -> llm_pb2.Persona:
    profile = persona.profile
    return llm_pb2.Persona(
        id=profile.id,
        name=profile.name,
        description=profile.description,
        languages=profile.languages,
        disclosure=profile.disclosure,
        greeting=profile.greeting,
        voice=profile.voice,
        passages=len(persona.passages),
        apologies=profile.fallbacks.trouble,
        fillers=() if profile.conversation.half_duplex else profile.fallbacks.thinking,
        style=_style(profile.conversation),
        starters=profile.starters,
    )


def _style(conversing: Conversing) -> llm_pb2.Style:
    return llm_pb2.Style(
        backchannels=() if conversing.half_duplex else conversing.backchannels,
        backchannel_every_ms=round(conversing.backchannel_every_s * 1000),
        still=not conversing.nods,
        nod_every_ms=round(conversing.nod_every_s * 1000),
        prompts=conversing.prompts,
        prompt_after_ms=round(conversing.prompt_after_s * 1000),
        waits=conversing.waits,
        patience=conversing.patience,
        uninterruptible=not conversing.interruptible or conversing.half_duplex,
        pace=conversing.pace,
    )
