"""Reads by lists of words: what a sentence begins with, what it ends with, and a few phrases in it. Says 0 or 1, no degrees.

A statement may go on after any pause, a whole question seldom does. Who tells something pauses after whole sentences, and
wants a listener, not an answer.
"""

from __future__ import annotations

import re
from typing import Final

from services.common.reading.lists import Lists, any_of, drawn
from services.common.reading.reading import Reading
from services.common.reading.words import clauses_of, sentences_of, squeezed, stem, words_of, words_without_digits

#: A question mark, a "please" or an auxiliary makes a question of no less: of a hum, recognition also makes "Is that?".
_SHORTEST: Final = 3
#: So many words are more than a beginning.
_MORE: Final = 8
#: So many words in one turn are no question and no remark any more.
_LONG: Final = 30
_LONGEST_ACKNOWLEDGEMENT: Final = 3


class ListReader:
    """See services.common.reading.reading.Reader."""

    def __init__(self, lists: Lists) -> None:
        self._lists = lists
        self._unfinished = lists.dangling | lists.question_words | lists.dangling_in_questions
        self._openings = lists.openings | lists.before_more
        self._opening_phrases = [phrase.split() for phrase in lists.opening_phrases | lists.filler_phrases]
        self._asking_nothing = _compiled(rf"{any_of(lists.asking_nothing)}\b")
        self._to_be_told = [phrase.split() for phrase in lists.to_be_told]
        self._fillers = lists.fillers | lists.hums
        self._wondering = _compiled(rf"\b{any_of(lists.wondering)}\s+\w+\s+\w")
        hesitating = any_of(lists.hesitations | lists.filler_phrases)
        alone = "".join(rf"(?<!{word}\s)" for word in sorted(lists.no_fillers_after))
        self._hesitating = _compiled(rf"\b(?:{alone}{hesitating}|{drawn(self._fillers)})[\s.,?…-]*$")
        begins = rf"(?:^|[.?!…]\s+|\b{any_of(lists.joining)},?\s)"
        self._story = _compiled(rf"{begins}{any_of(lists.reminders)}\s\w+\s\w|\b{any_of(lists.stories)}\b")

    def read(self, text: str) -> Reading:
        """See Reader."""
        said = words_without_digits(text)
        nothing = not said or " ".join(said) in self._lists.noise
        acknowledges = not nothing and self._acknowledges(said)
        return Reading(
            asks=float(self._asks(sentences_of(text)[-1])),
            looks_for_words=float(self._looks_for_words(text)),
            tells_a_story=float(self._tells_a_story(text)),
            begins=float(len(text.split()) < _MORE and len(sentences_of(text)) < 2),
            demands=float("?" in text or any(map(self._demands, sentences_of(text)))),
            says_nothing=float(nothing),
            acknowledges=float(acknowledges),
            wants_floor=float(not (nothing or acknowledges) and self._wants_floor(said)),
        )

    def _asks(self, sentence: str) -> bool:
        """Whether it is a question or a request that sounds whole."""
        words = words_of(sentence)
        if not words or self._breaks_off(words) or self._looks_for_words(sentence):
            return False
        marked = sentence.endswith("?")
        if (marked or not self._lists.polite.isdisjoint(words)) and len(words) >= _SHORTEST:
            return True
        if self._wondering.search(sentence):
            return True
        return any(self._begins_to_ask(self._opened(words_of(clause)), marked=marked) for clause in clauses_of(sentence))

    def _breaks_off(self, words: list[str]) -> bool:
        """Whether a question with these words has its end still before it."""
        to = words[-1] in self._lists.to and len(words) > 1 and words[-2] in self._lists.before_infinitive
        return to or stem(words[-1]) in self._unfinished

    def _begins_to_ask(self, words: list[str], *, marked: bool) -> bool:
        if len(words) < 2:
            return False
        lists = self._lists
        first, second, *more = words
        if stem(first) in lists.question_words:
            # "What I like", "when the snow melts"; but "what do you like", "what's new", "how many keys are there".
            verb = second in lists.auxiliaries or (second not in lists.subjects and not lists.auxiliaries.isdisjoint(more[:3]))
            return marked or first not in lists.question_words or verb
        if first in lists.auxiliaries:
            return second in lists.subjects and bool(more)
        if words[:2] in [phrase[:2] for phrase in self._to_be_told]:
            return words[:3] in self._to_be_told
        return first in lists.requests | lists.commands and bool(more)

    def _opened(self, words: list[str]) -> list[str]:
        """Without what is said before a question begins."""
        while words:
            phrase = next((phrase for phrase in self._opening_phrases if words[: len(phrase)] == phrase), None)
            said = phrase or words[: self._opens(words[0])]
            if not said:
                break
            words = words[len(said) :]
        return words

    def _opens(self, word: str) -> bool:
        return word in self._openings or self._fills(word)

    def _looks_for_words(self, text: str) -> bool:
        words = words_of(text)
        if not words:
            return False
        before_more = all(word in self._lists.before_more or self._fills(word) for word in words)
        return before_more or words[-1] in self._lists.dangling or self._hesitating.search(text) is not None

    def _tells_a_story(self, text: str) -> bool:
        if text.rstrip().endswith("?"):
            return False
        return self._story.search(text) is not None or len(text.split()) >= _LONG

    def _demands(self, sentence: str) -> bool:
        """Whether it asks for something, whole or not: of a question without its mark, how it begins is enough."""
        lists, words = self._lists, self._opened(words_of(sentence))
        if not words:
            return False
        first, second = words[0], words[1] if len(words) > 1 else ""
        if words[:3] in self._to_be_told or self._wondering.search(sentence):
            return True
        if self._asking_nothing.match(" ".join(words)):
            return False
        if first in lists.auxiliaries:
            return second in lists.subjects or not _contracted(first)
        # "Surprise me", but not "surprised me".
        wants = second in lists.objects and not first.endswith("ed")
        return wants or stem(first) in lists.question_words or first in lists.requests

    def _acknowledges(self, words: list[str]) -> bool:
        return len(words) <= _LONGEST_ACKNOWLEDGEMENT and self._lists.acknowledging.issuperset(words)

    def _wants_floor(self, words: list[str]) -> bool:
        asking = stem(words[0]) in self._lists.question_words or self._begins_a_question(words)
        return asking or not self._lists.demanding.isdisjoint(words)

    def _begins_a_question(self, words: list[str]) -> bool:
        """Whether words begin as a question does, and are enough for one."""
        lists, first = self._lists, words[0]
        begins = stem(first) in lists.question_words or (first in lists.auxiliaries and not _contracted(first))
        return (begins or first in lists.asking_verbs) and len(words) >= _SHORTEST

    def _fills(self, word: str) -> bool:
        return squeezed(word) in self._fillers


def _contracted(word: str) -> bool:
    """A negation: "don't know really" asks nothing."""
    return "'" in word


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)
