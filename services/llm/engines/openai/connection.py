"""Requests to a server, and what goes wrong with them, in one place: errors say what the server did, and what to do."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Container
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
from yarl import URL

from services.common.retry_after import asked_to_wait_s
from services.llm.engines.openai.answers import Refusal, refusal
from services.llm.engines.openai.events import MAX_EVENT, Event, Events, NoEvents, shown
from services.llm.reply.reading.characters import printable
from services.llm.settings import OpenaiOptions
from vivant.addresses import is_near
from vivant.errors import Full, Timeout, Unavailable, Unusable, VivantError

_MOST_REDIRECTS: Final = 3
_SHOWN: Final = 200
_LEAST_WAIT_S: Final = 0.1
_TOO_LONG: Final = re.compile(r"context (length|window|size)|exceed_context", re.IGNORECASE)
_LOADING: Final = re.compile(r"\b(loading|warming|starting|not ready)\b", re.IGNORECASE)


_NO_MODEL: Final = "there is no such model or API"
_TO_DO: Final = {
    "model_timeout": "; is it overloaded?",
    "model_unavailable": "; start it, or set LLM_OPENAI_BASE_URL",
    "model_loading": "; try again in a while",
    "not_a_model_server": "; check LLM_OPENAI_BASE_URL",
    "wrong_address": "; check LLM_OPENAI_BASE_URL",
}


class Refused(Exception):
    """The server has answered with an error."""

    def __init__(self, refused: Refusal) -> None:
        super().__init__(refused.message)
        self.refusal = refused


class Connection:
    """One server; its session opens with the first request."""

    def __init__(self, options: OpenaiOptions) -> None:
        self._options = options
        self.base = options.base_url.strip().rstrip("/")
        self._session: aiohttp.ClientSession | None = None
        self.problem: str | None = None
        """Why the last request could not be served."""
        self.free_at = 0.0
        """Until then the server has asked to be left alone, on the clock of the event loop."""

    def check(self) -> None:
        """Raises Unusable when the settings cannot work."""
        if not self.base.startswith(("http://", "https://")) or not URL(self.base).host:
            raise Unusable(
                f"LLM_OPENAI_BASE_URL={self.base!r} must begin with http:// or https:// and usually ends in /v1",
                reason="wrong_address",
            )
        if not (self._key.isascii() and (self._key.isprintable())):
            raise Unusable("LLM_OPENAI_API_KEY has characters that no key has; copy it again", reason="wrong_key")

    async def close(self) -> None:
        if self._session:
            await self._session.close()

    @property
    def _key(self) -> str:
        return self._options.api_key.get_secret_value().strip() if self._options.api_key else ""

    @asynccontextmanager
    async def request(
        self, method: str, path: str, body: dict[str, Any] | None = None, timeout_s: float | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request that was answered with success; `timeout_s` for all of it, else as the settings have it for a token.

        Raises Refused for an error of the server's, and Unavailable, Timeout or Unusable for what else goes wrong.
        """
        answered = False
        try:
            async with self._followed(method, URL(self.base + path), body, timeout_s) as response:
                answered = True
                if not 200 <= response.status < 300:
                    refused = await _refused(response)
                    if refused.wait_s is not None:
                        # Who is told to come back at once would ask without a pause.
                        self.free_at = asyncio.get_running_loop().time() + max(refused.wait_s, _LEAST_WAIT_S)
                    raise Refused(refused)
                self.problem = None
                yield response
        except NoEvents as exc:
            raise self._down(Unavailable, f"did not answer as a model server does: {exc}", "not_a_model_server") from exc
        except aiohttp.ConnectionTimeoutError as exc:
            raise self._down(Unavailable, "is out of reach (no connection in time)", "model_unavailable") from exc
        except TimeoutError as exc:
            raise self._down(Timeout, "does not answer in time", "model_timeout") from exc
        except (aiohttp.ClientError, OSError) as exc:
            raise self._failed(exc, answered=answered) from exc

    @asynccontextmanager
    async def _followed(
        self, method: str, url: URL, body: dict[str, Any] | None, timeout_s: float | None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer, wherever on the same host the server sends us; a key is for nobody else."""
        more: dict[str, Any] = {"timeout": aiohttp.ClientTimeout(total=timeout_s)} if timeout_s else {}
        for _ in range(_MOST_REDIRECTS):
            async with self._connected().request(method, url, json=body, allow_redirects=False, **more) as response:
                if not 300 <= response.status < 400:
                    yield response
                    return
                target = url.join(URL(response.headers.get("Location", "")))
                if target.host != url.host or (method != "GET" and response.status not in (307, 308)):
                    break
                url = target
        raise Unusable(
            f"the language model server at {self.base} sends requests on to {printable(str(target))[:_SHOWN]}; "
            "set LLM_OPENAI_BASE_URL to where its API is",
            reason="wrong_address",
        )

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            options = self._options
            self._session = aiohttp.ClientSession(
                headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
                connector=aiohttp.TCPConnector(limit=options.connections),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=options.connect_timeout_s, sock_read=options.token_timeout_s
                ),
                # A server far away is reached through the proxy that the environment names; a near one is not.
                trust_env=not is_near(URL(self.base).host or ""),
            )
        return self._session

    def _down(self, kind: type[VivantError], what: str, reason: str) -> VivantError:
        """Notes why the server cannot serve, and makes the error that says so."""
        self.problem = f"the language model server at {self.base} {what}"
        return kind(self.problem + _TO_DO.get(reason, "; its log may say why"), reason=reason)

    def _failed(self, exc: Exception, *, answered: bool) -> VivantError:
        """What went wrong below the answer, or with its bytes."""
        kind: type[VivantError] = Unavailable
        what, reason = f"broke off its answer ({type(exc).__name__})", "model_broke_off"
        match exc:
            case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
                kind, what, reason = Unusable, f"has no certificate that is trusted: {exc}", "wrong_address"
            case aiohttp.ClientConnectorError():
                what, reason = f"is out of reach ({exc.os_error.strerror or exc.os_error})", "model_unavailable"
            case aiohttp.InvalidURL():
                kind, what, reason = Unusable, "has an address that cannot be", "wrong_address"
            case aiohttp.ClientPayloadError() if _undecodable(exc):
                what, reason = "sent what cannot be unpacked", "not_a_model_server"
            case aiohttp.ClientResponseError():
                what, reason = f"did not answer in HTTP ({exc.message})", "not_a_model_server"
            case aiohttp.ServerDisconnectedError() if not answered:
                what = "closed the connection without an answer"
        return self._down(kind, what, reason)

    def error(self, refused: Refusal) -> VivantError:
        """What an error of the server's means here."""
        detail = " ".join(printable(refused.message).split())[:_SHOWN]
        status = refused.status
        later = "" if refused.wait_s is None else f" for the next {refused.wait_s:.0f} s"
        if _TOO_LONG.search(detail):
            return Unusable(
                f"the prompt does not fit into the model's context ({detail}); serve it with more, or lower LLM_HISTORY_WORDS",
                reason="context_full",
            )
        if status == 503 and _LOADING.search(detail):
            return self._down(Unavailable, f"is still loading its model ({detail})", "model_loading")
        rows: tuple[tuple[Container[int], type[VivantError], str, str], ...] = (
            ((429,), Full, f"the language model server takes no more requests{later}", "model_full"),
            ((401, 403), Unusable, "the language model server does not accept the key; set LLM_OPENAI_API_KEY", "wrong_key"),
            ((404,), Unusable, f"{_NO_MODEL} at {self.base}; check LLM_OPENAI_MODEL and LLM_OPENAI_BASE_URL", "unknown_model"),
            (range(400, 500), Unusable, f"the language model server refuses the request ({status})", "request_refused"),
        )
        for statuses, kind, message, reason in rows:
            if status in statuses:
                return kind(f"{message}: {detail}", reason=reason)
        number = f" ({status})" if status else ""
        return Unavailable(
            f"the language model server failed{number}: {detail or 'it does not say why'}", reason="model_failed"
        )


async def read_events(response: aiohttp.ClientResponse) -> AsyncGenerator[Event | None, None]:
    """The events of an answer; None for the word that it is complete. Raises NoEvents."""
    events = Events()
    async for chunk in response.content.iter_any():
        for event in events.push(chunk):
            yield event if isinstance(event, Event) else None
    for event in events.finish():
        yield event if isinstance(event, Event) else None


async def read_json(response: aiohttp.ClientResponse) -> Any:
    """The one JSON value of an answer; raises NoEvents when it is none."""
    found = [event.value async for event in read_events(response) if event]
    if len(found) != 1:
        raise NoEvents(f"it sent {len(found)} JSON values where one was due")
    return found[0]


async def _refused(response: aiohttp.ClientResponse) -> Refusal:
    """What an answer with an error says."""
    text = (await response.content.read(MAX_EVENT)).decode("utf-8", "replace")
    try:
        *_, value = [each.value for each in _events_of(text) if isinstance(each, Event)]
        found = refusal(value, event=True)
    except (NoEvents, ValueError):
        found = Refusal(shown(text)) if text.strip() else Refusal(response.reason or "without a word")
    assert found is not None
    return Refusal(found.message, response.status, found.parameter, asked_to_wait_s(response.headers))


def _events_of(text: str) -> list[Any]:
    events = Events()
    return [*events.push(text.encode()), *events.finish()]


def _undecodable(exc: Exception) -> bool:
    """Whether the bytes came, but packed in a way that is none."""
    told = f"{exc!r} {exc.__cause__!r}".lower()
    return "transfer" not in told and re.search(r"deco|encoding|decompress", told) is not None
