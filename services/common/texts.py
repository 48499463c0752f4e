"""Reading text files that people have written, with whatever editor: to line feeds and no marks of the encoding."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Final

from vivant.errors import Unusable

MAX_BYTES: Final = 4 * 1024 * 1024
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_text(path: Path, reason: str) -> str:
    """What the file says, be it UTF-8, or UTF-16 or -32 with their mark. Raises Unusable with `reason`, and with the line."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise Unusable(f"{path.name} is larger than {MAX_BYTES >> 20} MiB", reason=reason)
        data = path.read_bytes()
    except FileNotFoundError:
        raise Unusable(f"{path.name} is missing", reason=reason) from None
    except OSError as exc:
        raise Unusable(f"{path.name} cannot be read: {exc.strerror}", reason=reason) from exc
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as exc:
        line = data[: exc.start].count(b"\n") + 1
        raise Unusable(
            f"{path.name} cannot be read as UTF-8 text: line {line} has the byte 0x{data[exc.start]:02x}; "
            "save the file as UTF-8",
            reason=reason,
        ) from exc
    if "\0" in text:
        raise Unusable(
            f"{path.name} cannot be read as UTF-8 text: it has zero bytes, as UTF-16 has; save the file as UTF-8",
            reason=reason,
        )
    return text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
