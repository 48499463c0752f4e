"""Speech recognition: word error rate and speed beside the stock library, and the latency of streaming at the pace of speech.

`python -m bench.asr` prints tables and ends in one line of JSON. Quality and speed are measured on 50 read utterances of the
five speakers on whom the recogniser was developed (LibriSpeech test-other), both recognisers one after the other on each, with
one thread; both texts go through Whisper's own English normaliser. What can be expected for others is measured on these and
further speakers by cross-validation (`scoring.py`). Latency is measured on the service in a process of its own, over gRPC,
with 20 ms chunks sent when they would have been spoken.
"""

from __future__ import annotations

import asyncio
import json
import statistics
from typing import Any, Final

import grpc
import numpy as np

from bench.asr.material import development, further
from bench.asr.recognising import as_set, compare
from bench.asr.scoring import Choice, cross_validated, likely_difference, scored
from bench.asr.streaming import latencies
from bench.asr.tables import print_choices, print_figures
from vivant.errors import VivantError

#: What cross-validation chooses from, besides what is set. More of them: `bench.asr.choice`.
CHOICES: Final = (Choice(12, 4, 1), Choice(12, 4, 5), Choice(9, 3, 5))


async def measure() -> dict[str, Any]:
    """All figures."""
    read, others = development(), further()
    spoken = read + others
    choices = (as_set(), *(choice for choice in CHOICES if choice != as_set()))
    ours, theirs = await compare(spoken, choices)
    streamed = await latencies(read)
    *scores, stock = scored([*ours, theirs], spoken)
    held_out, chosen = cross_validated(scores, stock, [utterance.speaker for utterance in spoken])
    known = np.arange(len(spoken)) < len(read)
    default, reference = scores[0].of(known), stock.of(known)
    low, high = likely_difference(held_out, stock)
    print_figures(read, [(ours[0].name, default), (theirs.name, reference)], streamed)
    print_choices(ours, scores, stock, chosen, held_out)
    firsts = [each.first_partial for each in streamed if each.first_partial is not None]
    finals = [each.final for each in streamed]
    return {
        "wer": round(default.wer, 2),
        "stock_wer": round(reference.wer, 2),
        "wer_unseen": round(held_out.wer, 2),
        "stock_wer_unseen": round(stock.wer, 2),
        "unseen_difference_low": round(low, 2),
        "unseen_difference_high": round(high, 2),
        "speedup": round(default.times_as_fast(reference), 2),
        "final_p50_ms": round(statistics.median(finals), 1),
        "final_p95_ms": round(float(np.percentile(finals, 95)), 1),
        "first_partial_p50_ms": round(statistics.median(firsts), 1),
    }


def main() -> None:
    try:
        result = asyncio.run(measure())
    except VivantError as exc:
        raise SystemExit(exc.message) from exc
    except grpc.aio.AioRpcError as exc:
        raise SystemExit(f"the recognition refused: {exc.details()}") from exc
    print(json.dumps(result))


if __name__ == "__main__":
    main()
