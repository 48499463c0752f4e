"""Which of the memories that words bring to mind a speech model is told: half a sentence recalls other ones than the whole."""

from __future__ import annotations


class ModelNotes:
    """Of one stream."""

    def __init__(self) -> None:
        self.known = ""
        """The words of which it was told last what they bring to mind."""
        self._seen = ""
        self._told = ""

    def tell(self, words: str, text: str, *, at_once: bool) -> str:
        """The note that the model has to be told now; empty: none. `at_once`: these words are complete, and answered."""
        steady, self._seen, self.known = text == self._seen, text, words
        if not text or text == self._told or not (steady or at_once):
            return ""
        self._told = text
        return text
