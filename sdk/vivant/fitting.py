"""Whether a persona can be heard and understood here: what it asks of voice and languages, against what the engines have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

_DOES: Final = {"asr": "understood", "llm": "thought in", "tts": "spoken"}
#: Of a long list no more than this is told.
_TOLD: Final = 8


def has_language(offered: Iterable[str], wanted: str) -> bool:
    """Whether one of the languages `offered`, as BCP 47 tags, is the one `wanted`, be it that of another region.

    An engine that names none is not bound to a language.
    """
    tags = {tag.partition("-")[0].lower() for tag in offered}
    return not tags or not wanted or wanted.partition("-")[0].lower() in tags


def misfits(
    languages: Sequence[str], voice: str | None, offered: Mapping[str, Sequence[str]], voices: Sequence[str]
) -> list[str]:
    """What does not fit, a sentence each. `offered` has the languages of each service that was asked: "asr", "llm", "tts".

    Without `voices` nothing is said of the voice.
    """
    found = []
    for language in languages:
        lacking = [service for service, tags in offered.items() if not has_language(tags, language)]
        if lacking:
            does = " or ".join(_DOES[service] for service in lacking)
            have = "; ".join(f"{service} has {_listed(offered[service])}" for service in lacking)
            found.append(f"the language {language!r} is not {does} here ({have})")
    if voice and voices and voice not in voices:
        found.append(f"there is no voice {voice!r} here; there is: {', '.join(voices)}; empty is the default")
    return found


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _TOLD
    return ", ".join(names[:_TOLD]) + (f" and {more} more" if more > 0 else "")
