"""How the last words end, as a recogniser hears it: asr tells it, and whoever weighs whether a turn is over goes by it."""

from __future__ import annotations

from dataclasses import dataclass

from vivant.common.v1 import common_pb2


@dataclass(frozen=True)
class Ending:
    """How the words would be written, told that the speaker may hesitate: probabilities of the mark after them, 0 to 1."""

    full_stop: float
    question_mark: float
    dots: float
    """Somebody breaks off, or looks for a word."""


def to_wire(ending: Ending) -> common_pb2.Ending:
    """As a message."""
    return common_pb2.Ending(full_stop=ending.full_stop, question_mark=ending.question_mark, dots=ending.dots)


def from_wire(ending: common_pb2.Ending) -> Ending:
    """From the message."""
    return Ending(ending.full_stop, ending.question_mark, ending.dots)
