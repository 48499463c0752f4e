"""Lines of standard input, as they are entered."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator
from concurrent.futures import CancelledError
from typing import IO, Final

from vivant.errors import InvalidRequest
from vivant.texts import MAX_TEXT_CHARACTERS

#: The longest text that may be said has fewer bytes.
_MOST_BYTES: Final = 4 * MAX_TEXT_CHARACTERS + 2
#: Lines that wait to be said: who writes more waits, at the other end of the pipe.
_MOST_WAITING: Final = 16


async def typed_lines() -> AsyncIterator[str | InvalidRequest]:
    """Each line without its end, until the input ends; what is no text comes as the error that says why.

    A daemon thread reads: a blocked read cannot be cancelled, and the end of the program must not wait for Enter.
    """
    if sys.stdin is None:
        # It was closed by whoever started this program.
        return
    source, encoding = sys.stdin.buffer, sys.stdin.encoding
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[bytes | OSError | None] = asyncio.Queue(_MOST_WAITING)

    def read() -> None:
        try:
            while (line := _read_line(source)) is not None:
                asyncio.run_coroutine_threadsafe(lines.put(line), loop).result()
                if isinstance(line, OSError):
                    return
            asyncio.run_coroutine_threadsafe(lines.put(None), loop).result()
        except (RuntimeError, CancelledError):
            # The loop is closed: the conversation is over, and nobody waits for lines.
            return

    threading.Thread(target=read, name="stdin", daemon=True).start()
    while (line := await lines.get()) is not None:
        if isinstance(line, OSError):
            raise InvalidRequest(f"the input cannot be read: {line.strerror}", reason="bad_input") from line
        yield _decoded(line, encoding)


def _read_line(source: IO[bytes]) -> bytes | OSError | None:
    """The next line; of one that is too long, only so much that this can be seen. None: the end."""
    try:
        line = rest = source.readline(_MOST_BYTES)
        while rest and not rest.endswith(b"\n"):
            rest = source.readline(_MOST_BYTES)
            line = line if len(line) > _MOST_BYTES else line + rest
    except OSError as exc:
        return exc
    return line or None


def _decoded(line: bytes, encoding: str) -> str | InvalidRequest:
    if len(line) > _MOST_BYTES:
        return InvalidRequest(
            f"a text holds at most {MAX_TEXT_CHARACTERS} characters, this line has far more; say it in several",
            reason="text_too_long",
        )
    try:
        return line.decode(encoding).removeprefix("\ufeff").rstrip("\r\n")
    except UnicodeDecodeError as exc:
        return InvalidRequest(f"byte {exc.start + 1} of this line is no {encoding.upper()}", reason="bad_unicode")
