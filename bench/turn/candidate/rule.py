"""The rule: a turn is over once waiting costs more than breaking in, and after the longest pause in any case."""

from __future__ import annotations

from dataclasses import dataclass

from bench.turn.candidate.reader import Reading


@dataclass(frozen=True)
class Prices:
    """What waiting and breaking in are worth to a persona."""

    breaking_in_cost_s: float = 5.2
    """To break in once is as bad as so many seconds of needless waiting."""
    awaited_costs: float = 13.0
    """A second costs so many times as much where an answer is awaited: people give one within a quarter of a second."""
    awaited_from: float = 0.35
    """An answer is awaited where the words ask for something with this probability or more."""
    story_costs: float = 0.05
    """And so many times as much while somebody tells a story: they pause after whole sentences, and want a listener."""
    story_from: float = 0.9
    """Somebody does where the words are read as a story with this probability or more."""
    longest_pause_s: float = 2.5
    """A turn is over after so much silence in any case."""


def waiting_cost(waiting_cost_s: float, reading: Reading | None, prices: Prices) -> float:
    """What waiting costs after words that are read so; None: they are not known."""
    if reading is not None and reading.asks >= prices.awaited_from:
        return waiting_cost_s * prices.awaited_costs
    if reading is not None and reading.tells_a_story >= prices.story_from:
        return waiting_cost_s * prices.story_costs
    return waiting_cost_s


def over(waiting_cost_s: float, silence_s: float, prices: Prices) -> bool:
    """Whether the turn is over after so much silence, when waiting on costs so much."""
    return waiting_cost_s >= prices.breaking_in_cost_s or silence_s >= prices.longest_pause_s
