"""Replies of a server that speaks the OpenAI chat API."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, Final

from services.common.engine import Model
from services.common.logs import get_logger
from services.common.settings import SharedSettings
from services.llm.engine import Item, LlmInfo, Message, Prompt, Usage, weighed
from services.llm.engines.openai.answers import Answer, refusal
from services.llm.engines.openai.connection import Connection, Refused, read_events, read_json
from services.llm.engines.openai.dialect import Dialect
from services.llm.settings import OpenaiOptions
from vivant.errors import Full, Timeout, Unavailable, Unusable, VivantError

_log = get_logger(__name__)

#: The likeliest first tokens of an answer; the API gives no more.
_TOP_TOKENS: Final = 20
#: A request is asked in at most so many ways.
_MOST_WAYS: Final = 8
#: Between two looks at a server that is not there yet.
_BACKOFF_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
#: What is asked at start, to know that the server answers, and how it wants to be asked.
_HELLO: Final = Prompt((Message("system", "You answer with one word."), Message("user", "Hello.")))
_HELLO_TOKENS: Final = 1
#: So a server calls a reply that was all reasoning, up to its limit.
_USED_UP: Final = re.compile(r"output limit was reached|max_tokens.*(reached|too (small|low))", re.IGNORECASE)


class OpenaiEngine:
    def __init__(self, options: OpenaiOptions, shared: SharedSettings) -> None:
        self._options = options
        self._connection = Connection(options)
        self._dialect = Dialect(options.temperature, options.extra, options.continues)
        self._model = options.model
        self._names: tuple[str, ...] = ()
        """Models that the server has listed; adapters are among them."""
        self._asked_for_models = False
        self._waiting: str | None = None

    @property
    def info(self) -> LlmInfo:
        model = Model(name=self._model or "the first that the server lists", licence=self._options.licence)
        return LlmInfo(name="openai", version="1", prefill=self._options.prefill, models=(model,))

    def load(self) -> None:
        self._connection.check()

    async def connect(self) -> None:
        """Waits until the server answers, as long as LLM_OPENAI_LOAD_TIMEOUT_S; raises at once what will not pass."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._options.load_timeout_s
        attempt = 0
        self._waiting = "it has not answered yet"
        while True:
            try:
                await self._meet(end - loop.time())
                break
            except (Unavailable, Timeout, Full) as exc:
                if exc.message != self._waiting:
                    _log.warning("waiting_for_model", reason=exc.reason, detail=exc.message)
                self._waiting = exc.message
            wait_s = _BACKOFF_S[min(attempt, len(_BACKOFF_S) - 1)]
            attempt += 1
            if loop.time() + wait_s >= end:
                raise Unavailable(
                    f"the model server at {self._connection.base} was not ready within {self._options.load_timeout_s:.0f} s, "
                    f"which LLM_OPENAI_LOAD_TIMEOUT_S sets: {self._waiting}",
                    reason="model_unavailable",
                )
            await asyncio.sleep(wait_s)
        self._waiting = None

    async def require(self, adapter: str) -> None:
        if not adapter or adapter in self._names:
            return
        # It may have been loaded since they were listed.
        _, self._names = await self._listed()
        if adapter not in self._names:
            raise Unusable(
                f"there is no adapter {adapter!r} on the language model server at {self._connection.base}; "
                f"there is: {', '.join(self._names) or 'nothing that it lists'}",
                reason="unknown_adapter",
            )

    async def prefill(self, prompt: Prompt, lane: int) -> None:
        # What a busy server is spared first.
        if self._options.prefill and self._connection.free_at <= asyncio.get_running_loop().time():
            async with aclosing(self._chat(prompt, 1)) as items:
                async for _ in items:
                    pass

    async def generate(self, prompt: Prompt, max_tokens: int, lane: int) -> AsyncGenerator[Item, None]:
        # Each generator is closed by whoever reads it: that closes the connection, at once, and so the server stops.
        async with aclosing(self._chat(prompt, max_tokens)) as items:
            async for item in items:
                yield item

    async def weigh(self, prompt: Prompt, answers: Sequence[str]) -> tuple[float, ...]:
        model = await self._model_name()
        for _ in range(_MOST_WAYS):
            await self._leave(0.0)
            body = self._dialect.body(model, prompt, 1, temperature=0, logprobs=True, top_logprobs=_TOP_TOKENS)
            try:
                async with self._connection.request("POST", "/chat/completions", body) as response:
                    answer = await read_json(response)
                break
            except Refused as exc:
                if "logprob" in exc.refusal.message:
                    raise self._no_probabilities() from exc
                if not self._dialect.learn(exc.refusal, body):
                    raise self._connection.error(exc.refusal) from exc
        if tops := _top_tokens(answer):
            return weighed(tops, answers)
        raise self._no_probabilities()

    def _no_probabilities(self) -> VivantError:
        return Unusable(
            f"the server at {self._connection.base} tells no probabilities of tokens; set LLM_WHO_IS_MEANT to memory",
            reason="request_refused",
        )

    def problems(self) -> Sequence[str]:
        if self._waiting:
            return (f"waiting for the model server at {self._connection.base}: {self._waiting}",)
        return (self._connection.problem,) if self._connection.problem else ()

    async def close(self) -> None:
        await self._connection.close()

    async def _chat(self, prompt: Prompt, max_tokens: int, timeout_s: float | None = None) -> AsyncGenerator[Item, None]:
        """One reply, asked for in the ways that the server takes, and again when it wants to be asked later."""
        model = await self._model_name(timeout_s)
        end = asyncio.get_running_loop().time() + (timeout_s or self._options.token_timeout_s)
        for way in range(_MOST_WAYS):
            await self._leave(end)
            more: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
            body, lessons = self._dialect.body(prompt.adapter or model, prompt, max_tokens, **more), self._dialect.lessons
            try:
                async with aclosing(self._read(body, timeout_s)) as items:
                    async for item in items:
                        yield item
                return
            except Refused as exc:
                if _USED_UP.search(exc.refusal.message):
                    yield Usage(0, max_tokens, "length")
                    return
                if exc.refusal.status == 404:
                    # An adapter may have been unloaded: the next conversation looks again.
                    self._names = ()
                later = exc.refusal.wait_s is not None and self._connection.free_at <= end
                # Another request may have learned the same meanwhile.
                learned = self._dialect.lessons > lessons or later or self._dialect.learn(exc.refusal, body)
                if not learned or way == _MOST_WAYS - 1:
                    raise self._connection.error(exc.refusal) from exc

    async def _read(self, body: dict[str, Any], timeout_s: float | None) -> AsyncGenerator[Item, None]:
        """The reply to one request; raises Refused while nothing has come."""
        answer, done = Answer(), False
        async with (
            self._connection.request("POST", "/chat/completions", body, timeout_s) as response,
            aclosing(read_events(response)) as events,
        ):
            async for event in events:
                if event is None:
                    done = True
                    break
                if error := refusal(event.value, event=event.error):
                    if answer.counted:
                        raise self._connection.error(error)
                    raise Refused(error)
                for item in answer.items(event.value):
                    yield item
        if answer.odd:
            _log.info("odd_events", kinds=sorted(set(answer.odd)), count=len(answer.odd))
        if not (answer.counted or answer.finish or done):
            raise Unavailable(
                f"the language model server at {self._connection.base} ended its answer before it began",
                reason="model_broke_off",
            )
        yield answer.end(done=done)

    async def _leave(self, end: float) -> None:
        """Waits while the server has asked to be left alone; raises Full when that is longer than until `end`."""
        wait_s = self._connection.free_at - asyncio.get_running_loop().time()
        if wait_s <= 0:
            return
        if self._connection.free_at > end:
            raise Full(f"the language model server takes no more requests for the next {wait_s:.0f} s", reason="model_full")
        await asyncio.sleep(wait_s)

    async def _meet(self, timeout_s: float) -> None:
        """Finds out whether the server answers, and how it wants to be asked."""
        await self._model_name(timeout_s)
        try:
            async for _ in self._chat(_HELLO, _HELLO_TOKENS, timeout_s):
                pass
        except Unusable as exc:
            if exc.reason in ("wrong_key", "unknown_model", "wrong_address"):
                raise
            # Each reply will say so too; perhaps it is this question that the server does not like.
            _log.warning("hello_refused", reason=exc.reason, detail=exc.message)

    async def _model_name(self, timeout_s: float | None = None) -> str:
        """The model to ask for. A server that lists none may have just one, and need no name."""
        if not self._asked_for_models:
            owner, self._names = await self._listed(timeout_s)
            self._dialect.recognise(owner)
            self._model = self._model or next(iter(self._names), "")
            self._asked_for_models = True
        return self._model

    async def _listed(self, timeout_s: float | None = None) -> tuple[str, tuple[str, ...]]:
        """Whose the first model is that the server lists, and the names of all; empty where it lists none."""
        try:
            async with self._connection.request("GET", "/models", timeout_s=timeout_s) as response:
                answer = await read_json(response)
        except Refused as exc:
            error = self._connection.error(exc.refusal)
            if error.reason not in ("unknown_model", "request_refused"):
                raise error from exc
        except Unavailable as exc:
            if exc.reason != "not_a_model_server":
                raise
            error = exc
        else:
            listed = answer.get("data", answer.get("models")) if isinstance(answer, dict) else answer
            models = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
            if names := tuple(name for each in models if isinstance(name := each.get("id") or each.get("name"), str)):
                return str(models[0].get("owned_by") or ""), names
            error = Unavailable("it lists no model", reason="model_unavailable")
        if not self._model:
            _log.warning(
                "no_models_listed", detail=f"{error.message}; LLM_OPENAI_MODEL is not set, so none is asked for by name"
            )
        return "", ()


def _top_tokens(answer: Any) -> list[tuple[str, float]]:
    """The likeliest first tokens with their log-probabilities; empty where a server tells none."""
    try:
        tops = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        return [(str(top["token"]), float(top["logprob"])) for top in tops]
    except (LookupError, TypeError, ValueError):
        return []
