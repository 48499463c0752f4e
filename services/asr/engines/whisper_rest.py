"""The rest of a stretch of speech that the decoder left: it may take a pause for the end of all.

Then there is speech behind a pause in which no word of the text was said, or one that seems to go on over the pause, as no word
does. It is decoded by itself, and told what was said before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from math import inf
from typing import Final

from services.asr.engines.whisper_decoder import Hypothesis, Task
from services.asr.engines.whisper_text import TimedWord
from services.common.log_mel import FRAMES_PER_S

Decode = Callable[[Task], Awaitable[Hypothesis | None]]

#: Word times are a little off beside a pause; with so much speech behind it, words are missing.
_LEAST_LEFT: Final = FRAMES_PER_S
#: What the decoder passed over may have been no words. A guess does not overrule it.
_LEAST_SURE: Final = 0.5


async def whole(decode: Decode, task: Task, speech: Sequence[tuple[float, float]]) -> Hypothesis | None:
    """Decodes `task`, which asks for times, and what was left of it.

    `speech`: where somebody speaks, in columns of the task.
    """
    found, kept = await decode(task), 0
    while found is not None and (gap := _gap(found.timed, speech, kept)):
        kept, end, begin = gap
        said = (*found.timed[: kept - 1], replace(found.timed[kept - 1], end=end))
        spoken = tuple(token for word in said for token in word.tokens)
        cut = round((end + begin) / 2)
        rest = await decode(replace(task, columns=task.columns[:, cut:], previous=(*task.previous, *spoken)))
        if rest is None:
            return None
        if not rest.timed or sum(word.confidence for word in rest.timed) < _LEAST_SURE * len(rest.timed):
            break
        timed = (*said, *(replace(word, start=word.start + cut, end=word.end + cut) for word in rest.timed))
        found = replace(found, words=timed, timed=timed)
    return found


def _gap(timed: Sequence[TimedWord], speech: Sequence[tuple[float, float]], first: int) -> tuple[int, float, float] | None:
    """After how many words some are missing, and the pause there; words before `first` are not looked at."""
    ends = [*(word.start for word in timed[1:]), inf]
    for count, (word, end) in enumerate(list(zip(timed, ends, strict=True))[first:], first + 1):
        within = [(begin, min(stop, end)) for begin, stop in speech if stop > word.start and begin < end]
        if sum(stop - begin for begin, stop in within[1:]) >= _LEAST_LEFT:
            return count, within[0][1], within[1][0]
    return None
