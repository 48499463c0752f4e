"""Counts after which words messages end, and writes the table of `services/turn/engines/endings.py`."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.turn.training.texts import messages
from services.common.reading.words import words_without_digits
from services.turn.engines.endings import TABLE, log_odds

#: A pair of words is kept when it was seen so often, and says this much more than its second word alone.
_LEAST_WORD: Final = 20
_LEAST_PAIR: Final = 30
_NEWS: Final = 1.0
_STRENGTH: Final = 5.0


def count(chats: Path) -> str:
    """Writes the table; returns what it holds."""
    seen: Counter[str] = Counter()
    ends: Counter[str] = Counter()
    pairs_seen: Counter[str] = Counter()
    pairs_end: Counter[str] = Counter()
    total = 0
    for text in messages(chats, "train"):
        words = words_without_digits(text)
        total += 1
        for at, word in enumerate(words):
            pair = f"{words[at - 1]} {word}" if at else ""
            seen[word] += 1
            pairs_seen[pair] += bool(pair)
            if at == len(words) - 1:
                ends[word] += 1
                pairs_end[pair] += bool(pair)
    # Half of what is judged are ends: the share of ends among all words would only shift every value alike.
    balance = (seen.total() - ends.total()) / ends.total()
    table: dict[str, float] = {}
    for word, times in sorted(seen.items()):
        if times >= _LEAST_WORD:
            table[word] = round(_balanced(ends[word], times, 0.5, balance), 2)
    for pair, times in sorted(pairs_seen.items()):
        if pair and times >= _LEAST_PAIR and pair.split()[1] in table:
            alone = table[pair.split()[1]]
            together = _balanced(pairs_end[pair], times, 1 / (1 + 2.718281828**-alone), balance)
            if abs(together - alone) >= _NEWS:
                table[pair] = round(together, 2)
    rare = [word for word, times in seen.items() if times < _LEAST_WORD]
    otherwise = _balanced(sum(ends[word] for word in rare), sum(seen[word] for word in rare), 0.5, balance)
    made = {
        "made": datetime.now(UTC).date().isoformat(),
        "material": f"{total} messages of chitchat-dataset (MIT), conversations not used in tests",
        "otherwise": round(otherwise, 2),
        "log_odds": table,
    }
    TABLE.write_text(json.dumps(made, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    return f"{len(table)} words and pairs from {total} messages"


def _balanced(ends: int, seen: int, prior: float, balance: float) -> float:
    """Log-odds as if ends and other places were equally frequent."""
    return log_odds(ends * balance, ends * balance + (seen - ends), prior, _STRENGTH)
