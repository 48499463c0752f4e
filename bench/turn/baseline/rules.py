"""When a turn was over before: tables of silence and probability for what asks, what begins, and the rest."""

from __future__ import annotations

from typing import Final

from services.common.reading.reading import LIKELY, Reading

#: (silence in seconds, least probability): over as soon as one holds, and when the silence of the last has passed.
Rules = tuple[tuple[float, float], ...]
QUESTION: Final[Rules] = ((0.45, 0.33), (1.2, 0.3), (2.5, 0.0))
BEGINNING: Final[Rules] = ((0.9, 0.88), (1.7, 0.82), (2.5, 0.0))
ENDPOINT: Final[Rules] = ((0.76, 0.79), (1.7, 0.7), (2.5, 0.0))
_STORY_S: Final = 2.0


def silence_needed_s(reading: Reading | None, probability: float) -> float:
    """How much silence ended a turn that is read so, while the model was so sure."""
    if reading is None:
        return _first(ENDPOINT, probability)
    rules = QUESTION if reading.asks >= LIKELY else BEGINNING if reading.begins >= LIKELY else ENDPOINT
    if reading.looks_for_words >= LIKELY:
        return rules[-1][0]
    needed_s = _first(rules, probability)
    return max(needed_s, _STORY_S) if reading.tells_a_story >= LIKELY else needed_s


def _first(rules: Rules, probability: float) -> float:
    return min((silence_s for silence_s, least in rules if probability >= least), default=rules[-1][0])
