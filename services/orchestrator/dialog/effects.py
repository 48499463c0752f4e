"""What the dialog machine asks for: imperatives, plain values, in the order in which they must be carried out."""

from __future__ import annotations

from dataclasses import dataclass

from services.orchestrator.dialog.events import Contribution, Line, Phase


@dataclass(frozen=True)
class Effect:
    pass


@dataclass(frozen=True)
class Flush(Effect):
    """Ask the recognition of this speaker for the final words."""

    speaker: str
    flush_id: int


@dataclass(frozen=True)
class Prefill(Effect):
    """Let the persona think along."""

    turn_id: int
    speaker: str
    text: str
    draft: bool
    other: str = ""
    """It may be meant for this one as well: what tells of that is asked."""


@dataclass(frozen=True)
class Prepare(Effect):
    """Have the first words of a reply spoken, unheard: they may be wanted soon."""

    turn_id: int
    text: str


@dataclass(frozen=True)
class Commit(Effect):
    """Ask for the reply."""

    turn_id: int
    contribution: Contribution


@dataclass(frozen=True)
class Note(Effect):
    """Put a contribution into the history without asking for a reply."""

    contribution: Contribution


@dataclass(frozen=True)
class Cancel(Effect):
    """Forget a turn of which nothing was audible."""

    turn_id: int


@dataclass(frozen=True)
class Say(Effect):
    turn_id: int
    text: str


@dataclass(frozen=True)
class Apologise(Effect):
    """Say that thinking has failed, in the persona's own words."""

    turn_id: int


@dataclass(frozen=True)
class Fill(Effect):
    """Say a little word of the persona's while the reply takes its time."""

    turn_id: int


@dataclass(frozen=True)
class SayLine(Effect):
    """Say a line of the persona's own."""

    turn_id: int
    line: Line


@dataclass(frozen=True)
class Backchannel(Effect):
    """Show that one listens, without taking the floor."""

    nod: bool
    voice: bool


@dataclass(frozen=True)
class SayEnd(Effect):
    """The text of this turn is complete."""

    turn_id: int


@dataclass(frozen=True)
class Duck(Effect):
    """Lower the voice for a moment."""


@dataclass(frozen=True)
class Hold(Effect):
    """Pause the voice at once."""


@dataclass(frozen=True)
class Release(Effect):
    """Go on at the same sample."""


@dataclass(frozen=True)
class Silence(Effect):
    """Stop the voice of `turn_id`, clear every queue of what is older than `newest_turn_id`."""

    turn_id: int
    newest_turn_id: int


@dataclass(frozen=True)
class CloseTurn(Effect):
    """The reply is over: what was heard of it becomes history."""

    turn_id: int
    interrupted: bool


@dataclass(frozen=True)
class Show(Effect):
    """The phase has changed."""

    phase: Phase
    turn_id: int


@dataclass(frozen=True)
class Notify(Effect):
    reason: str


@dataclass(frozen=True)
class DropStale(Effect):
    """Output of a turn that is over arrived and was dropped."""

    turn_id: int
    where: str


@dataclass(frozen=True)
class End(Effect):
    """The conversation is over."""
