"""Which context and which beam the recogniser should have: word error rate and speed of many choices, beside the stock library.

`python -m bench.asr.choice [FOLDER ...]` decodes everything that `bench.asr` knows the words of with every choice. With folders
of LibriSpeech as it is published (https://www.openslr.org/12) it takes the first utterance of each of their speakers too. It is
run by hand when the decoder changes; a minute of speech takes about a minute. It ends in one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any, Final

from bench.asr.material import development, further, librispeech
from bench.asr.recognising import compare
from bench.asr.scoring import Choice, cross_validated, likely_difference, scored
from bench.asr.tables import print_choices
from vivant.errors import VivantError

_CONTEXTS: Final = ((6, 2), (8, 2), (9, 3), (12, 4), (16, 6), (30, 28))
_BEAMS: Final = (1, 2, 5)
CHOICES: Final = tuple(Choice(context, padding, beam) for context, padding in _CONTEXTS for beam in _BEAMS)


async def measure(folders: list[Path]) -> dict[str, Any]:
    spoken = [*development(), *further(), *(utterance for folder in folders for utterance in librispeech(folder))]
    ours, theirs = await compare(spoken, CHOICES)
    *scores, stock = scored([*ours, theirs], spoken)
    held_out, chosen = cross_validated(scores, stock, [utterance.speaker for utterance in spoken])
    print_choices(ours, scores, stock, chosen, held_out)
    low, high = likely_difference(held_out, stock)
    return {
        "wer_unseen": round(held_out.wer, 2),
        "stock_wer_unseen": round(stock.wer, 2),
        "unseen_difference_low": round(low, 2),
        "unseen_difference_high": round(high, 2),
        "speedup_unseen": round(held_out.times_as_fast(stock), 2),
        "chosen": ours[chosen.most_common(1)[0][0]].name,
    }


def main() -> None:
    folders = [Path(name) for name in sys.argv[1:]]
    for folder in folders:
        if not any(folder.rglob("*.trans.txt")):
            raise SystemExit(f"{folder} has no *.trans.txt: give a folder of LibriSpeech, for example LibriSpeech/test-clean")
    try:
        result = asyncio.run(measure(folders))
    except VivantError as exc:
        raise SystemExit(exc.message) from exc
    print(json.dumps(result))


if __name__ == "__main__":
    main()
