"""Takes out of a model's output what is not said to anybody: its reasoning, calls of tools, and the tokens that control a chat.

Reasoning stands between tags (<think>, [THINK]), in channels (<|channel|>analysis<|message|>), or in front of a closing tag
whose opening was in the prompt. Then what came before turns out to be reasoning, and `Retract` says so.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final

_THOUGHT: Final = (
    r"(?:\w+:)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflect(?:ion)?|analysis|scratch_?pad|(?:inner_)?monologue)"
)
_TOOL: Final = r"tool_calls?|function_calls?|tool_code|function|invoke|tool_use"
#: A token is complete with the last of these, or is none.
_TOKEN: Final = re.compile(
    rf"""
    <[|｜](?P<control>[^<>\s]+?)[|｜]>
    | <(?P<close>/)?(?P<turn>start_of_turn|end_of_turn|eos|bos|pad|unk|s)>
    | <(?P<thought_close>/)?{_THOUGHT}>
    | \[(?P<thought_shut>/)?THINK\]
    | ◁(?P<thought_end>/)?think▷
    | <(?P<tool_close>/)?(?:{_TOOL})(?:=[\w.-]+)?>
    | (?P<tools>\[TOOL_CALLS\])
    | (?P<inst>\[/?INST\]|<</?SYS>>|\[end\ of\ text\]|\[(?:EOS|BOS|PAD|UNK|SEP|CLS|MASK)\])
    """,
    re.IGNORECASE | re.VERBOSE,
)
#: What may still become a token.
_BEGUN: Final = re.compile(
    r"<[|｜][^<>\s]{0,60}|</?[\w:.=-]{0,40}|<</?[A-Z]{0,3}>?|\[/?[A-Z_]{0,12}|\[(?:e|en|end|end o?f?|end of t?e?x?t?)"
    r"|◁/?\w{0,8}"
)
_ENDS: Final = re.compile(
    r"(im_|_)?end\w*|eo[stmd]\w*|\w*end[_▁]of[_▁](text|sentence|turn)\w*|return|stop|call|\w*user\w*|human|system|observation",
    re.I,
)
_STARTS_TURN: Final = re.compile(r"im_start|start|start_header_id|role_start", re.I)
_THOUGHT_STARTS: Final = re.compile(r"(start|begin)\w*(think|thought)\w*|think(ing)?", re.I)
_THOUGHT_ENDS: Final = re.compile(r"/?(end)\w*(think|thought)\w*|/think(ing)?", re.I)
#: A server that hides the tokens of the channels leaves their names, run together with the words.
_BARE_CHANNEL: Final = re.compile(r"analysis(?=[A-Z\"'“])")
_BARE_FINAL: Final = "assistantfinal"
#: So much of what may turn out to be no reasoning is kept, in characters.
_MOST_KEPT: Final = 20_000
#: The name of a turn's role is not longer.
_LONGEST_ROLE: Final = 24


class Retract:
    """All that was given so far was reasoning."""


class _Mode(Enum):
    TEXT = auto()
    THOUGHT = auto()
    TOOL = auto()
    ROLE = auto()
    """The name of a role, as after <|im_start|>."""
    CHANNEL = auto()
    """The name of a channel, as after <|channel|>."""


class Reasoning:
    """Takes pieces of a text that was cut anywhere, gives what is said."""

    def __init__(self, *, thinking: bool = False) -> None:
        self._mode = _Mode.THOUGHT if thinking else _Mode.TEXT
        self._unsure = thinking
        """The prompt may have begun the reasoning, or not."""
        self._kept = ""
        self._held = ""
        self._name = ""
        self._out: list[str | Retract] = []
        self._struck = False
        self._fresh = not thinking
        """Nothing has come yet."""
        self.said = False
        """Words have been given."""
        self.thought = False
        """There was reasoning."""
        self.orphan = False
        """The reasoning was begun by the prompt."""
        self.tool = False
        """A tool was called."""
        self.ended = False
        """The model has closed its turn; what it adds belongs to nobody."""

    def push(self, text: str) -> list[str | Retract]:
        plain = self._mode is _Mode.TEXT and not self._held and not self._fresh and not self.ended
        if plain and not any(mark in text for mark in "<[◁"):
            self._give(text)
        else:
            for character in text:
                self._feed(character)
        return self._taken()

    def finish(self, *, complete: bool = True) -> list[str | Retract]:
        """What is left at the end; `complete`: the model has come to its end by itself."""
        held, self._held = self._held, ""
        self._plain(held)
        if complete:
            self._surely_said()
        return self._taken()

    def _taken(self) -> list[str | Retract]:
        out, self._out = self._out, []
        return out

    def _feed(self, character: str) -> None:
        if self.ended:
            return
        self._held += character
        if self._fresh and self._bare_channel():
            return
        while self._held:
            if match := _TOKEN.fullmatch(self._held):
                self._held = ""
                self._token(match)
                return
            if _BEGUN.fullmatch(self._held):
                return
            # The first character belongs to no token; what follows may begin one.
            first, self._held = self._held[0], self._held[1:]
            self._plain(first)

    def _bare_channel(self) -> bool:
        """Whether it is still to be seen, or has been seen, that the text begins with the name of a channel."""
        if not self._held.strip():
            self._held = ""
            return True
        if _BARE_CHANNEL.match(self._held):
            self._mode, self._held, self._fresh, self.thought = _Mode.THOUGHT, "", False, True
            return True
        waiting = len(self._held) <= 8 and "analysis".startswith(self._held)
        self._fresh = waiting
        return waiting

    def _plain(self, text: str) -> None:
        if self._mode is _Mode.TEXT:
            self._give(text)
        elif self._mode is _Mode.THOUGHT:
            self.thought = self.thought or bool(text.strip())
            if self._unsure:
                self._kept = (self._kept + text)[-_MOST_KEPT:]
            self._name = (self._name + text)[-len(_BARE_FINAL) :]
            if self._name == _BARE_FINAL:
                self._mode = _Mode.TEXT
        elif self._mode is _Mode.ROLE:
            self._name += text
            if text == "\n" or len(self._name) > _LONGEST_ROLE:
                self._turn_begins()
        elif self._mode is _Mode.CHANNEL:
            self._name += text

    def _give(self, text: str) -> None:
        self.said = self.said or not (text.isspace() or not text)
        if self._out and isinstance(self._out[-1], str):
            self._out[-1] += text
        else:
            self._out.append(text)

    def _token(self, match: re.Match[str]) -> None:
        token, closing = match.group().lower(), "/" in match.group()[:2]
        if control := match["control"]:
            self._control(control)
        elif turn := match["turn"]:
            self._turn(turn.lower(), closing=closing)
        elif match["tools"]:
            self._mode, self.tool = _Mode.TOOL, True
        elif match["inst"]:
            self.ended = self.said
        elif re.search(_TOOL, token):
            self._mode, self.tool = (_Mode.TEXT if closing else _Mode.TOOL), True
        elif closing:
            self._thought_closed()
        else:
            self._mode, self._name = _Mode.THOUGHT, ""

    def _thought_closed(self) -> None:
        self.orphan = self.orphan or self._unsure
        if self._mode is _Mode.TEXT and self.said:
            # The prompt had opened it.
            self._out = [Retract()]
            self.said, self.thought, self.orphan = False, True, True
        self._mode, self._unsure, self._kept = _Mode.TEXT, False, ""

    def _turn(self, name: str, *, closing: bool) -> None:
        if name == "start_of_turn":
            self._role_begins()
        elif name == "s" and not closing:
            # In the middle of words it strikes them out.
            self._struck = self.said
        elif name == "s" and self._struck:
            self._struck = False
        elif name in ("s", "eos", "end_of_turn"):
            self._turn_ends()

    def _control(self, name: str) -> None:
        lower = name.lower()
        if self._mode is _Mode.ROLE:
            self._turn_begins()
        if lower == "channel":
            self._mode, self._name = _Mode.CHANNEL, ""
        elif lower in ("message", "constrain"):
            if self._mode is _Mode.CHANNEL and lower == "message":
                self._channel_begins()
        elif _STARTS_TURN.fullmatch(lower):
            self._role_begins()
        elif _THOUGHT_ENDS.fullmatch(lower):
            self._thought_closed()
        elif _THOUGHT_STARTS.fullmatch(lower):
            self._mode, self._name = _Mode.THOUGHT, ""
        elif lower in ("python_tag", "tool_call", "call") or "tool" in lower:
            self._mode, self.tool = _Mode.TOOL, True
        elif lower != "end_header_id" and _ENDS.fullmatch(lower):
            self._turn_ends()

    def _role_begins(self) -> None:
        self._mode, self._name = _Mode.ROLE, ""

    def _turn_begins(self) -> None:
        """A turn of the model itself goes on; one of somebody else is not for it to speak."""
        role = self._name.strip().lower()
        self._mode = _Mode.TEXT
        self.ended = self.said and role not in ("assistant", "model", "")

    def _channel_begins(self) -> None:
        channel = self._name.strip().lower()
        self.tool = self.tool or "to=" in channel
        self._mode, self._name = (_Mode.TEXT if channel.startswith("final") else _Mode.THOUGHT), ""

    def _surely_said(self) -> None:
        """The reply is over, and what may have been reasoning has not been closed: so it was none this time."""
        if self._unsure and self._mode is _Mode.THOUGHT:
            self._mode, self.thought = _Mode.TEXT, False
            self._give(self._kept)

    def _turn_ends(self) -> None:
        self._surely_said()
        if self._mode is _Mode.TEXT:
            self.ended = self.said
        self._mode = _Mode.TEXT
