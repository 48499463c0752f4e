"""What is never spoken: the phrases of assistants, code and lists. And the questions about being an AI, which are told the
truth."""

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
    r"\btell me (more|everything|all)\b|\btell me\b.*\b(story|stories)\b|\b(long|whole) story\b|\bin detail\b", re.IGNORECASE
)
_QUESTION: Final = re.compile(
    r"""
    \? | ^\W* ((and|but|so|well|ok|okay|hey|oh|um|please)\W+)*
    ( (who|whom|whose|what(?!\ an?\b)|when|where|which|why|how|is|are|am|was|were|do|does|did|can|could|will|would|should|have
        |has|had|may|tell|give|name|say|explain|describe|write|show|make|sing|play|let's)\b
    # "Spin me a yarn", but not "Excuse me".
    | (?!(excuse|pardon|forgive|believe|trust|let|call|for|with|from|not|to|of|and|like|love|\w*ed)\b) [a-z]+\ (me|us)\b )
    """,
    re.IGNORECASE | re.VERBOSE,
)
#: Questions about the one who asks: "What's my name?", but not "How do I mend a broken heart?"
_ABOUT_LISTENER: Final = re.compile(
    r"\b(what|who|where|when|which|how (old|many|long))\b(?!.*\b(should|can|could|would|you|your)\b).*\b(my|i|i'm)\b"
    r"|\bremember\b.*\b(my|i|i'm)\b|\bdid i (say|tell)\b",
    re.IGNORECASE,
)
_MIRRORED: Final = {
    "i": "you", "me": "you", "my": "your", "mine": "yours", "myself": "yourself", "i'm": "you're", "i've": "you've",
    "i'll": "you'll", "i'd": "you'd", "am": "are", "we": "you", "our": "your", "you": "I", "your": "my",
}  # fmt: skip


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


def asks_about_ai(text: str) -> bool:
    """Whether somebody wants to know if this is a person."""
    return _ABOUT_AI.search(text) is not None


def says_ai(text: str) -> bool:
    """Whether a text admits to be artificial."""
    return _SAYS_AI.search(text) is not None


def wants_more(text: str) -> bool:
    """Whether a longer reply was asked for."""
    return _WANTS_MORE.search(text) is not None


def is_question(text: str) -> bool:
    """Whether a text asks or demands something, rather than tells it."""
    return _QUESTION.search(text) is not None


def asks_about_listener(text: str) -> bool:
    """Whether somebody asks about themselves: the answer is in the conversation, if anywhere."""
    return is_question(text) and _ABOUT_LISTENER.search(text) is not None


def mirrored(text: str) -> str:
    """What somebody said of themselves, said to them: "My name is Ana" becomes "your name is Ana"."""

    def swapped(match: re.Match[str]) -> str:
        return _MIRRORED.get(match.group().lower().replace("’", "'"), match.group())

    return re.sub(r"[A-Za-z]+(?:['’][a-z]+)?", swapped, re.sub(r"\b[Ii] was\b", "me were", text))
