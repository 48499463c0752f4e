"""llama.cpp inside this process, by xllamacpp.

Each conversation has a slot whose state (the KV cache) stays, so only what is new is read. Prompts are read in pieces of
`_BATCH` tokens, and the library asks after each piece and each token whether to go on: so a reply can be stopped at any time.
Replies quote the prompt a lot, so the library guesses ahead from it and checks several tokens at once (prompt lookup decoding).
"""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final, Literal

from services.common.engine import Model
from services.common.settings import SharedSettings
from services.llm.engine import Finish, Item, LlmInfo, Prompt, Usage, weighed, without_adapters
from services.llm.engines.templates import MARKS, TEMPLATES
from services.llm.settings import LlamacppOptions
from vivant.errors import Internal, Unavailable, Unusable

# Its threads wait for each other by turning round, which stops everything where other services need the cores too; asleep they
# wait as well. The library's OpenMP reads this when it is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
import xllamacpp

_DEFAULT_MODEL: Final = "qwen2.5-coder-0.5b/model.gguf"
#: Tokens read at once: 0.2 s of work on two slow cores, so that nothing has to be waited for longer. Not slower than 512.
_BATCH: Final = 32
#: So many of the likeliest tokens are looked at for an answer.
_LIKELIEST: Final = 20
#: Prompt lookup: after 3 tokens that also stand in the prompt, the next ones are guessed from there.
_LOOKUP_MATCH: Final = 3


class _Run:
    """One call into the library: its words on the way from the worker thread to the event loop, and the wish to stop."""

    def __init__(self, likeliest: int = 0) -> None:
        self.likeliest = likeliest
        self.tokens: list[tuple[str, float]] = []
        """That many of the likeliest first tokens, with their log-probabilities."""
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self.words: asyncio.Queue[Item | None] = asyncio.Queue()
        self.error: dict[str, Any] | None = None
        self.usage = Usage(0, 0)
        self._finish: Finish = "stop"

    def stop(self) -> None:
        self._stop.set()

    @property
    def stopped(self) -> bool:
        return self._stop.is_set()

    def take(self, chunk: dict[str, Any]) -> bool:
        """The library's callback, in the worker thread. True ends the run."""
        if chunk.get("error") or "choices" not in chunk:
            self.error = chunk
            return True
        for choice in (chunk["choices"] or ())[:1]:
            if self.likeliest and not self.tokens and (told := choice.get("logprobs")):
                self.tokens = [(str(top["token"]), float(top["logprob"])) for top in told["content"][0]["top_logprobs"]]
            if choice.get("text"):
                self.put(choice["text"])
            if choice.get("finish_reason") == "length":
                self._finish = "length"
        if timings := chunk.get("timings"):
            read, written, cached = (int(timings[name]) for name in ("prompt_n", "predicted_n", "cache_n"))
            self.usage = Usage(read, written, self._finish, cached)
        return self.stopped

    def put(self, item: Item | None) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.words.put_nowait, item)


class LlamacppEngine:
    def __init__(self, options: LlamacppOptions, shared: SharedSettings) -> None:
        self._options = options
        self._path = options.model or shared.models_dir / _DEFAULT_MODEL
        self._template = TEMPLATES[options.template]
        self._server: Any = None
        # One conversation has at most one call at a time, so at most `slots` wait here for a call that is just ending.
        # One more is for questions.
        self._pool = ThreadPoolExecutor(options.slots + 1, thread_name_prefix="llama")
        self._runs: set[_Run] = set()

    @property
    def info(self) -> LlmInfo:
        model = Model(name="Qwen2.5-Coder-0.5B-Instruct (Q4_K_M)", licence="Apache-2.0")
        if self._options.model:
            model = Model(name=self._options.model_name or self._path.stem, licence=self._options.licence)
        opening: Literal["passage", "model"] = "model" if self._options.model else "passage"
        return LlmInfo(
            name="llamacpp",
            version=xllamacpp.__version__,
            prefill=True,
            models=(model,),
            opening=opening,
        )

    def load(self) -> None:
        if not self._path.is_file():
            hint = "set LLM_LLAMACPP_MODEL to a GGUF file" if self._options.model else "run: make models"
            raise Unusable(f"there is no language model at {self._path}; {hint}", reason="model_missing")
        try:
            self._server = xllamacpp.Server(self._parameters())
        except RuntimeError as exc:
            raise Unusable(
                f"llama.cpp cannot load {self._path}: the file is damaged or of an unknown kind; run: make models",
                reason="model_broken",
            ) from exc

    async def connect(self) -> None:
        return

    async def require(self, adapter: str) -> None:
        without_adapters(adapter, "llamacpp")

    async def prefill(self, prompt: Prompt, lane: int) -> None:
        async for _ in self._drain(_Run(), self._template.render_open(_clean(prompt)), 0, self._slot(lane)):
            pass

    async def generate(self, prompt: Prompt, max_tokens: int, lane: int) -> AsyncGenerator[Item, None]:
        async for item in self._drain(_Run(), self._template.render(_clean(prompt)), max_tokens, self._slot(lane)):
            yield item

    async def weigh(self, prompt: Prompt, answers: Sequence[str]) -> tuple[float, ...]:
        run = _Run(likeliest=_LIKELIEST)
        # In a slot of its own: those of the conversations keep their state.
        async for _ in self._drain(run, self._template.render(_clean(prompt)), 1, self._options.slots):
            pass
        return weighed(run.tokens, answers)

    def problems(self) -> Sequence[str]:
        return () if self._server else ("the language model is not loaded",)

    async def close(self) -> None:
        for run in self._runs:
            run.stop()
        await asyncio.to_thread(self._pool.shutdown)
        # Its destructor ends the library's thread, which takes a moment.
        server, self._server = self._server, None
        await asyncio.to_thread(lambda kept: kept.clear(), [server])
        del server

    def _slot(self, lane: int) -> int:
        return lane % self._options.slots

    async def _drain(self, run: _Run, text: str, max_tokens: int, slot: int) -> AsyncGenerator[Item, None]:
        self._runs.add(run)
        future = asyncio.get_running_loop().run_in_executor(self._pool, self._complete, text, max_tokens, slot, run)
        try:
            while (item := await run.words.get()) is not None:
                yield item
            await future
            if run.error:
                raise _translate(run.error)
            yield run.usage
        finally:
            run.stop()
            future.cancel()
            self._runs.discard(run)

    def _complete(self, text: str, max_tokens: int, slot: int, run: _Run) -> None:
        body = {
            "prompt": text,
            "max_tokens": max_tokens,
            "temperature": self._options.temperature,
            "stream": True,
            "return_progress": True,
            "cache_prompt": True,
            "id_slot": slot,
        }
        if run.likeliest:
            body["logprobs"] = run.likeliest
        try:
            if not run.stopped:
                self._server.handle_completions(body, run.take)
        except RuntimeError as exc:
            run.error = {"message": str(exc)}
        finally:
            run.put(None)

    def _parameters(self) -> Any:
        options = self._options
        params = xllamacpp.CommonParams()
        params.model.path = str(self._path)
        params.n_ctx = options.context_tokens
        # One more than there are conversations, for questions about them.
        params.n_parallel = options.slots + 1
        # All slots share one memory, each may use what is free of it.
        params.kv_unified = True
        params.n_batch = params.n_ubatch = _BATCH
        params.n_gpu_layers = options.gpu_layers
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = options.threads
        # Off: it would move the state of idle slots away.
        params.cache_ram_mib = 0
        params.verbosity = 0
        params.ui = False
        # The library always opens a port of its own on this machine. Nobody else shall use it.
        params.api_keys = [secrets.token_hex(16)]
        if options.lookup_tokens:
            params.speculative.types = [xllamacpp.common_speculative_type.COMMON_SPECULATIVE_TYPE_NGRAM_SIMPLE]
            params.speculative.ngram_simple.size_n = _LOOKUP_MATCH
            params.speculative.ngram_simple.size_m = options.lookup_tokens
        return params


def _clean(prompt: Prompt) -> Prompt:
    """The prompt without words that the model would read as marks of a turn."""
    messages = prompt.messages
    for mark in MARKS:
        if any(mark in message.content for message in messages):
            messages = tuple(type(message)(message.role, message.content.replace(mark, " ")) for message in messages)
    return replace(prompt, messages=messages)


def _translate(error: dict[str, Any]) -> Exception:
    detail = error.get("error", error)
    message = str(detail.get("message", detail)) if isinstance(detail, dict) else str(detail)
    if isinstance(detail, dict) and detail.get("type") == "exceed_context_size_error":
        return Internal(f"the prompt does not fit into LLM_LLAMACPP_CONTEXT_TOKENS: {message}", reason="context_full")
    return Unavailable(f"llama.cpp did not answer: {message}", reason="model_unavailable")
