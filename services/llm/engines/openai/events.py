"""Reads what comes where a stream of server-sent events is expected, whatever it is: bytes in, JSON values out.

Lines end with LF, CR or CRLF; data may stand in several lines, or without an event around it; a whole answer may come as one
JSON object. Bytes that are no UTF-8 become a replacement character. What is no JSON raises `NoEvents` with its beginning.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

#: The longest event, or line, in characters; one token is far below.
MAX_EVENT: Final = 1 << 20
_LINE_END: Final = re.compile(r"\r\n|\n|\r(?!$)")
_SHOWN: Final = 120


class NoEvents(Exception):
    """What came is no stream of JSON."""


@dataclass(frozen=True)
class Event:
    """A JSON value, and whether the server calls it an error."""

    value: Any
    error: bool = False


class Done:
    """The server says that the stream is complete."""


class Events:
    """Takes bytes that were cut anywhere."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._text = ""
        self._data: list[str] = []
        self._name = ""
        self._other = ""
        """Lines that belong to no event: perhaps a whole answer, or a web page."""

    def push(self, data: bytes) -> Iterator[Event | Done]:
        """The events that `data` completes; raises NoEvents, behind those that are in order."""
        self._text += self._decoder.decode(data)
        *lines, self._text = _LINE_END.split(self._text)
        for line in lines:
            yield from self._line(line)
        if len(self._text) > MAX_EVENT:
            raise NoEvents(f"it sent a line of more than {MAX_EVENT} characters")

    def finish(self) -> list[Event | Done]:
        """What the end of the stream completes; raises NoEvents."""
        rest = (self._text + self._decoder.decode(b"", final=True)).rstrip("\r")
        self._text = ""
        found = self._line(rest) + self._line("")
        if self._other.strip():
            raise NoEvents(f"it sent no JSON but {shown(self._other)}")
        return found

    def _line(self, line: str) -> list[Event | Done]:
        line = line.removeprefix("\ufeff")
        field, colon, value = line.partition(":")
        if line.lstrip()[:1] in ("{", "[", "<") or self._other:
            return self._foreign(line)
        if not line.strip():
            return self._event()
        if field.strip() == "event":
            self._name = value.strip()
        elif field.strip() == "data":
            self._data.append(value.removeprefix(" "))
            return self._early()
        elif field.strip() not in ("", "id", "retry") or not colon:
            return self._foreign(line)
        return []

    def _early(self) -> list[Event | Done]:
        """An event is complete with its empty line; but some servers leave that out, and nobody waits for it."""
        if sum(map(len, self._data)) > MAX_EVENT:
            raise NoEvents(f"it sent an event of more than {MAX_EVENT} characters")
        text = "\n".join(self._data).strip()
        if text == "[DONE]":
            self._data = []
            return [Done()]
        if text[-1:] not in ("}", "]", "l", '"'):
            return []
        try:
            value = json.loads(text)
        except ValueError:
            return []
        self._data = []
        return [Event(value, self._name == "error")]

    def _event(self) -> list[Event | Done]:
        text, error = "\n".join(self._data).strip(), self._name == "error"
        self._data, self._name = [], ""
        if error and text:
            return [Event({"error": text}, error=True)]
        if re.fullmatch(r"-?\d+(\.\d+)?|true|false", text):
            return [Event(json.loads(text))]
        if text:
            raise NoEvents(f"it sent an event that is no JSON: {shown(text)}")
        return []

    def _foreign(self, line: str) -> list[Event | Done]:
        self._other += line + "\n"
        if len(self._other) > MAX_EVENT:
            raise NoEvents(f"it sent no events but {shown(self._other)}")
        if line.rstrip()[-1:] not in ("}", "]"):
            return []
        try:
            value = json.loads(self._other)
        except ValueError:
            return []
        self._other = ""
        return [Event(value)]


def shown(text: str) -> str:
    """The beginning of what was sent, for a message in one line."""
    if re.match(r"\s*<(!doctype|html|\?xml|head|body)", text, re.IGNORECASE):
        words = " ".join(re.sub(r"<(script|style)\b.*?</\1>|<[^>]*>", " ", text, flags=re.DOTALL | re.IGNORECASE).split())
        return f"a web page ({words[:_SHOWN]!r})"
    return repr(" ".join(text.split())[:_SHOWN])
