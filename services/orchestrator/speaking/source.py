"""Where the sound of a reply comes from: the voice that is given its words, or a model that has words of its own."""

from __future__ import annotations

from typing import Protocol


class Source(Protocol):
    """Gives the sound of one reply, as `tts_pb2.Audio` whose words and phonemes may be absent, to whoever it was made for."""

    turn_id: int

    @property
    def ability(self) -> str:
        """What is lost when it fails: "tts" or "speech"."""

    @property
    def stage(self) -> str:
        """What its first sound is called in the timeline of the reply."""

    def say(self, text: str) -> None:
        """More of the reply's text is known."""

    def end(self) -> None:
        """All of it is."""

    def cancel(self) -> None:
        """It is not wanted any more, and gives nothing more."""
