"""What is never spoken: the phrases of assistants, code and lists. And the questions about being an AI, which are told the truth."""

from __future__ import annotations

import re
from typing import Final

_ASSISTANT: Final = re.compile(
    r"""
    \bas\ an?\ (ai|a\.i\.|artificial|large|language|virtual|digital|machine|computer)\b
    | \b(large\ )?language\ model\b | \bai\ (language\ )?(model|assistant)\b | \bvirtual\ assistant\b
    | \bhow\ (can|may)\ i\ (assist|help)\b | \b(assist|help)\ you\ (today|with\ (that|anything|your))\b | \bhappy\ to\ (assist|help)\b
    | \bhere\ to\ (assist|help)\b | \bfeel\ free\ to\b | \bif\ you\ have\ any\ (other\ |more\ |further\ |specific\ )?(questions?|concerns)\b
    | \bi\ (do\ not|don't|don’t)\ have\ (personal|feelings|emotions|a\ physical|the\ ability|access|preferences|real-time)\b
    | \bi\ (am|'m|’m)?\ ?(cannot|can't|can’t|not\ able\ to|unable\ to)\ (provide|assist|fulfil|help\ you\ with)\b
    | \bi'm\ sorry,\ but\ i\b | \bi\ apologi[sz]e\ for\b | \bmy\ (training|knowledge\ cutoff|programming|training\ data)\b
    | \b(openai|chatgpt|qwen|alibaba|anthropic|deepseek)\b | \bcertainly!\ here\b | \bhere\ is\ (a|an|the)\ .{0,40}:$
    | \bsystem\ prompt\b | \bmy\ (memories|brackets)\ (say|are\ in)\b | \bmemories:\ | \bcreated\ by\ alibaba\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_UNSPEAKABLE: Final = re.compile(
    r"```|^\s*(?:[-*•]\s|\d+[.)]\s|#{1,6}\s|\|)|</?\w+>|\b(?:def|import|function|class)\s+\w+\s*[({:]|\bprint\(|[{};]\s*$|https?://",
    re.MULTILINE,
)
_ABOUT_AI: Final = re.compile(
    r"""
    \b(are\ you|you're|you\ are|you|talking\ to|speaking\ (to|with)|chatting\ with|is\ this|this\ is)\b [^.?!]{0,25}
    \b(a\.?i\.?|artificial\ intelligence|robot|chat\ ?bot|bot|machine|computer|program|software|real|human|fake|avatar|alive|
       simulation|language\ model|chatgpt|gpt)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_SAYS_AI: Final = re.compile(r"\b(an? ai|made[- ]up|not real|by a computer|artificial)\b", re.IGNORECASE)
_WANTS_MORE: Final = re.compile(
    r"\b(tell me (more|everything|all)|tell me (a|another|the|your|some|about)\b.*\b(story|stories)|(long|whole) story|go on|in detail)\b",
    re.IGNORECASE,
)


def assistant_phrase(text: str) -> str | None:
    """The first phrase that only an assistant would say; None when there is none."""
    match = _ASSISTANT.search(text)
    return match.group().strip() if match else None


def speakable(text: str) -> bool:
    """Whether a clause may be spoken: not an assistant's, no code, no list, no markup."""
    return assistant_phrase(text) is None and _UNSPEAKABLE.search(text) is None


def asks_about_ai(text: str) -> bool:
    """Whether somebody wants to know if this is a person."""
    return _ABOUT_AI.search(text) is not None


def says_ai(text: str) -> bool:
    """Whether a text admits to be artificial."""
    return _SAYS_AI.search(text) is not None


def wants_more(text: str) -> bool:
    """Whether a longer reply was asked for."""
    return _WANTS_MORE.search(text) is not None
