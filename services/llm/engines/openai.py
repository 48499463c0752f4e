"""Any server that speaks the OpenAI chat API: vLLM, llama.cpp, Ollama, hosted ones. Streams by server-sent events."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from services.common.settings import SharedSettings
from services.llm.engine import EngineInfo, ModelCard, Prompt, Usage, weighed
from services.llm.settings import OpenaiOptions
from vivant.addresses import is_near
from vivant.errors import Full, Timeout, Unavailable, Unusable, VivantError

#: Longest line of the stream that is read; one token is far below.
_MAX_LINE: Final = 1 << 20
#: The likeliest first tokens of an answer; the API gives no more.
_TOP_TOKENS: Final = 20


class OpenaiEngine:
    def __init__(self, options: OpenaiOptions, shared: SharedSettings) -> None:
        self._options = options
        self._base = options.base_url.rstrip("/")
        self._model = options.model
        self._session: aiohttp.ClientSession | None = None
        self._problem: str | None = None

    @property
    def info(self) -> EngineInfo:
        card = ModelCard(name=self._model or "the first that the server lists", licence=self._options.licence)
        prefill = ("prefill",) if self._options.prefill else ()
        return EngineInfo("openai", "1", (*prefill, "cancel"), (card,))

    def load(self) -> None:
        if not self._base.startswith(("http://", "https://")):
            raise Unusable(
                f"LLM_OPENAI_BASE_URL={self._base!r} must begin with http:// or https:// and usually ends in /v1",
                reason="wrong_address",
            )

    async def prefill(self, prompt: Prompt, lane: int) -> None:
        if self._options.prefill:
            async for _ in self._chat(prompt, 1):
                pass

    async def generate(self, prompt: Prompt, max_tokens: int, lane: int) -> AsyncGenerator[str | Usage, None]:
        async for item in self._chat(prompt, max_tokens):
            yield item

    async def weigh(self, prompt: Prompt, answers: Sequence[str]) -> tuple[float, ...]:
        body = {
            "model": await self._model_name(),
            "messages": _messages(prompt),
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": True,
            "top_logprobs": _TOP_TOKENS,
        }
        async with self._request("POST", "/chat/completions", body) as response:
            answer = await response.json()
        content = (answer["choices"][0].get("logprobs") or {}).get("content") if answer.get("choices") else None
        if not content:
            raise Unusable(
                f"the server at {self._base} tells no probabilities of tokens; set LLM_WHO_IS_MEANT to memory",
                reason="request_refused",
            )
        return weighed([(str(top["token"]), float(top["logprob"])) for top in content[0]["top_logprobs"]], answers)

    def problems(self) -> Sequence[str]:
        return (self._problem,) if self._problem else ()

    async def close(self) -> None:
        if self._session:
            await self._session.close()

    async def _chat(self, prompt: Prompt, max_tokens: int) -> AsyncGenerator[str | Usage, None]:
        body = {
            "model": await self._model_name(),
            "messages": _messages(prompt),
            "max_tokens": max_tokens,
            "temperature": self._options.temperature,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        usage, counted = Usage(0, 0), 0
        async with self._request("POST", "/chat/completions", body) as response:
            async for event in _events(response):
                if event.get("error"):
                    raise Unavailable(f"the language model server failed: {_detail(event)}", reason="model_failed")
                if event.get("usage"):
                    usage = _usage(event["usage"])
                for choice in event.get("choices", ()):
                    if text := (choice.get("delta") or {}).get("content"):
                        counted += 1
                        yield text
        yield usage if usage.reply_tokens else Usage(usage.prompt_tokens, counted)

    async def _model_name(self) -> str:
        if not self._model:
            async with self._request("GET", "/models", None) as response:
                listed = (await response.json()).get("data") or []
            if not listed:
                raise Unavailable(
                    f"the server at {self._base} lists no model; set LLM_OPENAI_MODEL", reason="model_unavailable"
                )
            self._model = str(listed[0]["id"])
        return self._model

    @asynccontextmanager
    async def _request(self, method: str, path: str, body: dict[str, Any] | None) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request; what goes wrong becomes Unavailable, Timeout, Full or Unusable, and is shown in `problems`."""
        try:
            async with self._connected().request(method, self._base + path, json=body) as response:
                if response.status != 200:
                    raise self._refused(response.status, await response.text())
                self._problem = None
                yield response
        except TimeoutError as exc:
            self._problem = f"the language model server at {self._base} does not answer in time"
            raise Timeout(f"{self._problem}; is it overloaded?", reason="model_timeout") from exc
        except (aiohttp.ClientError, json.JSONDecodeError) as exc:
            self._problem = f"the language model server at {self._base} is out of reach or broke off ({type(exc).__name__})"
            raise Unavailable(f"{self._problem}; start it, or set LLM_OPENAI_BASE_URL", reason="model_unavailable") from exc

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            key = self._options.api_key
            self._session = aiohttp.ClientSession(
                headers={"Authorization": f"Bearer {key.get_secret_value()}"} if key else {},
                connector=aiohttp.TCPConnector(limit=self._options.connections),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=self._options.connect_timeout_s, sock_read=self._options.token_timeout_s
                ),
                read_bufsize=_MAX_LINE,
                # A server far away is reached through the proxy that the environment names; a near one is not.
                trust_env=not is_near(urlsplit(self._base).hostname or ""),
            )
        return self._session

    def _refused(self, status: int, text: str) -> VivantError:
        detail = text[:200].strip()
        if status == 429:
            return Full(f"the language model server takes no more requests: {detail}", reason="model_full")
        if status in (401, 403):
            return Unusable("the language model server does not accept the key; set LLM_OPENAI_API_KEY", reason="wrong_key")
        if status == 404:
            return Unusable(
                f"the server at {self._base} has no such model or API; check LLM_OPENAI_MODEL and _BASE_URL: {detail}",
                reason="unknown_model",
            )
        if status < 500:
            return Unusable(f"the language model server refuses the request ({status}): {detail}", reason="request_refused")
        return Unavailable(f"the language model server failed ({status}): {detail}", reason="model_failed")


def _messages(prompt: Prompt) -> list[dict[str, str]]:
    messages = [{"role": message.role, "content": message.content} for message in prompt.messages]
    if prompt.opening:
        # Servers go on from a last message of the assistant, or answer after it: either follows what was said.
        messages.append({"role": "assistant", "content": prompt.opening})
    return messages


async def _events(response: aiohttp.ClientResponse) -> AsyncGenerator[dict[str, Any], None]:
    """The data of a stream of server-sent events up to its [DONE]."""
    async for line in response.content:
        data = line.strip()
        if data.startswith(b"data:"):
            data = data.removeprefix(b"data:").strip()
            if data == b"[DONE]":
                return
            yield json.loads(data)
    raise aiohttp.ClientPayloadError("the stream ended without [DONE]")


def _usage(usage: dict[str, Any]) -> Usage:
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    return Usage(int(usage.get("prompt_tokens") or 0) - int(cached), int(usage.get("completion_tokens") or 0))


def _detail(event: dict[str, Any]) -> str:
    error = event["error"]
    return str(error.get("message", error)) if isinstance(error, dict) else str(error)
