"""Scenarios of `make bench-conversation` as data: who says what when, and what the persona should do about it.

Each file of `bench/scenarios` is one scenario: a line about it, and a table for each thing that is said.

- `recording`, `text`, `typed` or `stop`: a recording of `bench/data`; words for a made voice, in which "[0.8]" is a pause of so
  many seconds; typed words; the stop button.
- `after`, `delay_s`: when. So long after the session began (`start`), after the line before (`line`), after the first sound of
  the reply (`reply`), or when the persona has been quiet for so long (`quiet`).
- `expect`: `answer`; `go_on`, it goes on speaking; `yield`, it stops speaking; `quiet`, it was said to somebody else;
  `nothing`, whatever it does is fine.
- `speaker`, `addressee`: who says it, on a microphone of their own; to whom, as the client tells the server.
- `voice`: one of those in `bench/conversation/sounds.py`.
- `hush_s`: the stop button is pressed when its answer has been heard for so long.

`delay_s` and `voice` may be lists: each run takes the next one. Unknown keys are errors.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parents[1] / "scenarios"
_LINE_KEYS: Final = frozenset(
    ("recording", "text", "typed", "stop", "after", "delay_s", "expect", "speaker", "addressee", "voice", "hush_s")
)
_SCENARIO_KEYS: Final = frozenset({"about", "one_microphone", "lines", "voice", "hush_s", "buffer_ms"})


class Cue(StrEnum):
    """What a line waits for."""

    START = "start"
    LINE = "line"
    REPLY = "reply"
    QUIET = "quiet"


class Expect(StrEnum):
    """What the persona should do about a line."""

    ANSWER = "answer"
    GO_ON = "go_on"
    YIELD = "yield"
    QUIET = "quiet"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Line:
    """One thing that is said. Exactly one of `recording`, `text`, `typed` and `stop` is set."""

    after: Cue
    expect: Expect
    delays_s: tuple[float, ...] = (1.0,)
    recording: str = ""
    text: str = ""
    typed: str = ""
    stop: bool = False
    voices: tuple[str, ...] = ("low",)
    speaker: str = ""
    addressee: str = ""
    hush_s: float = 0.0
    """0: the answer is heard to its end."""

    def delay_s(self, run: int) -> float:
        return self.delays_s[run % len(self.delays_s)]

    def voice(self, run: int) -> str:
        return self.voices[run % len(self.voices)]

    @property
    def what(self) -> str:
        """How it is called in tables."""
        return self.recording or self.text or (f"(types) {self.typed}" if self.typed else "(presses stop)")

    @property
    def spoken(self) -> bool:
        return bool(self.recording or self.text)


@dataclass(frozen=True)
class Scenario:
    """A conversation as it is to be."""

    name: str
    about: str
    lines: tuple[Line, ...]
    one_microphone: bool = False
    """All speakers talk into one microphone, and nobody tells the server who it is."""
    buffer_ms: int = 0
    """The client plays so long after the arrival, and reports what it has played; 0: at once, and without reports."""

    @property
    def speakers(self) -> tuple[str, ...]:
        """Everybody in it, in the order of their first line."""
        return tuple(dict.fromkeys(line.speaker for line in self.lines))


def scenarios(only: Sequence[str] = (), folder: Path = FOLDER) -> list[Scenario]:
    """All scenarios, or those that are named; raises ValueError for a name that does not exist."""
    found = {path.stem: path for path in sorted(folder.glob("*.toml"))}
    unknown = [name for name in only if name not in found]
    if unknown:
        raise ValueError(f"there is no scenario {', '.join(unknown)}; there are: {', '.join(found)}")
    return [read(found[name]) for name in only or found]


def read(path: Path) -> Scenario:
    """One scenario; raises ValueError that says what is wrong in which line."""
    table = tomllib.loads(path.read_text("utf-8"))
    _require_known(table, _SCENARIO_KEYS, path.name)
    defaults = {key: table[key] for key in ("voice", "hush_s") if key in table}
    lines = tuple(_line(defaults | row, f"{path.name}, line {number}") for number, row in enumerate(table["lines"], 1))
    return Scenario(path.stem, table["about"], lines, table.get("one_microphone", False), table.get("buffer_ms", 0))


def _line(row: dict[str, Any], where: str) -> Line:
    _require_known(row, _LINE_KEYS, where)
    if sum(key in row for key in ("recording", "text", "typed", "stop")) != 1:
        raise ValueError(f"{where}: set exactly one of recording, text, typed and stop")
    try:
        return Line(
            after=Cue(row.get("after", "quiet")),
            expect=Expect(row.get("expect", "answer")),
            delays_s=_several(row.get("delay_s", 1.0)),
            recording=row.get("recording", ""),
            text=row.get("text", ""),
            typed=row.get("typed", ""),
            stop=row.get("stop", False),
            voices=_several(row.get("voice", "low")),
            speaker=row.get("speaker", ""),
            addressee=row.get("addressee", ""),
            hush_s=row.get("hush_s", 0.0),
        )
    except ValueError as exc:
        raise ValueError(f"{where}: {exc}") from exc


def _several(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list) else (value,)


def _require_known(table: dict[str, Any], known: frozenset[str], where: str) -> None:
    if unknown := sorted(set(table) - known):
        raise ValueError(f"{where}: unknown key {', '.join(unknown)}; known are: {', '.join(sorted(known))}")
