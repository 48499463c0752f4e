"""What a persona never says, whoever wrote it: the phrases of assistants, code, lists, reasoning about the reply."""

from __future__ import annotations

import re
from typing import Final

_ASSISTANT: Final = re.compile(
    r"""
    \bas\ an?\ (ai|a\.i\.|artificial|large|language|virtual|digital|machine|computer)\b
    | \b(large\ )?language\ model\b | \bai\ (language\ )?(model|assistant)\b | \b(virtual|helpful|digital)\ assistant\b
    | \bhow\ (can|may)\ i\ (assist|help)\b | \b(happy|glad|here)\ to\ (assist|help)\b | \bassist\ you\b | \bfeel\ free\ to\b
    | \bhelp\ you\ (today|with\ (that|anything|your|any))\b
    | \bif\ you\ have\ any\ (other\ |more\ |further\ |specific\ )?(questions?|concerns)\b
    | \bi\ (do\ not|don['’]t)\ have\ (personal|feelings|emotions|a\ physical|the\ ability|access|preferences|any\ specific)
    | \bi(['’]m|\ am)?\ (cannot|can['’]t|not\ able\ to|unable\ to)\ (provide|assist|fulfil|help\ you\ with|access)\b
    | \bi['’]m\ sorry,\ but\ i\b | \bi\ apologi[sz]e\ for\b | \bmy\ (training|knowledge\ cutoff|programming)\b
    | \b(openai|chatgpt|qwen|alibaba|anthropic|deepseek)\b | \bsystem\ prompt\b | \bmemories:
    | \b(sure|certainly|of\ course|absolutely)[,!.]?\ (here|i\ can\ help|i['’]d\ be\ happy|let['’]s\ start)
    | \bhere(['’]s|\ is|\ are)\ (a|an|the|some|your|how)\ .{0,50}(:|code|function|script|list|example|steps|summary|draft)
    | \b(python|javascript|html|sql)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
#: What is said about a conversation, and not in it.
_ABOUT_USER: Final = re.compile(
    r"""
    \b(the|this)\ user('s|s)?\b | \buser\ (asks|asked|wants|says|said|is)\b | \b(in|out\ of|stay)\ character\b
    | \b(the|my)\ (persona|character|system\ prompt|instructions|guidelines)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_PLANS: Final = re.compile(
    r"""
    \b(i|we)\ (should|need\ to|must|have\ to|can|could|will|might|want\ to)
        \ (answer|respond|reply|say|mention|keep|stay|speak|use|check|recall|look|make|give|avoid|write|begin|start|be)\b
    | \blet\ me\ (think|see|recall|check|answer|write)\b | \b(i'll|let's)\ (answer|respond|reply)\b
    | \b(the|my)\ (question|answer|reply|response|memor(y|ies)|prompt)\b
    | ^\W*(okay|ok|alright|hmm|first|so|wait|now),?\ (so|the|let|i|we|they)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_UNSPEAKABLE: Final = re.compile(
    r"```|^\s*(?:[-*•]\s|\d+[.)]\s|#{1,6}\s|\|)|</?\w+>|\b(?:def|import|function|class)\s+\w+\s*[({:]|\bprint\(|[{};]\s*$|https?://",
    re.MULTILINE,
)


def assistant_phrase(text: str) -> str | None:
    """The first phrase that only an assistant would say; None when there is none."""
    match = _ASSISTANT.search(text)
    return match.group().strip() if match else None


def speakable(text: str) -> bool:
    """Whether a clause may be spoken: not an assistant's, no code, no list, no markup."""
    return assistant_phrase(text) is None and _UNSPEAKABLE.search(text) is None


def speaks_of_user(text: str) -> bool:
    """Whether a clause speaks about the listener as one who is served, as only reasoning does."""
    return _ABOUT_USER.search(text) is not None


def plans(text: str) -> bool:
    """Whether a clause may be reasoning about what to say."""
    return speaks_of_user(text) or _PLANS.search(text) is not None
