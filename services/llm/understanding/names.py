"""Who is who: the names of a life story and what they are to the person, learnt from phrases such as "my sister Bea"."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from services.llm.understanding.words import LEXICON, content, stem, stems, words

_RELATIONS: Final = tuple(LEXICON["relations"].split())
_NAME: Final = r"([A-Z][a-z]+)\b"
_TITLED: Final = re.compile(rf"\b((?i:grandma|grandpa|aunt|uncle|cousin)) {_NAME}")
_IN_LAW: Final = re.compile(r"\b\w+[- ]in[- ]law\b", re.IGNORECASE)
_SHE: Final = {stem(word): word for word in reversed(LEXICON["she"].split())}
_HE: Final = {stem(word): word for word in reversed(LEXICON["he"].split())}
_TITLES: Final = frozenset({"mister", "missus", "miss", "doctor", "she", "he"})


class Names:
    """What a story calls people and animals by name and by relation; `own` are relations of this life alone: "goose"."""

    def __init__(self, texts: Iterable[str], own: Sequence[str] = ()) -> None:
        relation = "|".join(sorted(map(re.escape, (*_RELATIONS, *own)), key=len, reverse=True))
        mine = re.compile(rf"\b[Mm]y (?:\w+ ){{0,2}}({relation})(?:'s)?,? {_NAME}")
        reversed_ = re.compile(rf"\b{_NAME}(?: [A-Z][a-z]+)? (?:is|was) (?:my|[A-Z]\w+'s) (?:\w+ )?({relation})\b")
        counted: dict[str, Counter[str]] = defaultdict(Counter)
        written: dict[str, str] = {}
        for text in texts:
            pairs = [(name, relation) for pattern in (mine, _TITLED) for relation, name in pattern.findall(text)]
            for name, relation in pairs + reversed_.findall(text):
                if name.lower() not in _TITLES:
                    counted[stem(name.lower())][relation.lower()] += 1
                    written[stem(name.lower())] = name
        self._relation = {name: found.most_common(1)[0][0] for name, found in counted.items()}
        self._relations = stems("relations") | frozenset(map(stem, own))
        self._named: dict[str, list[str]] = defaultdict(list)
        for name, relation in self._relation.items():
            self._named[stem(relation)].append(written[name])

    def content(self, text: str) -> list[str]:
        """Like `words.content`, with the relation in place of each name that has one: "Bea" is "sister"."""
        return [self.as_relation(word) for word in content(text)]

    def subjects(self, text: str) -> frozenset[str]:
        """Whom a text is about, besides the person. A brother-in-law is no brother."""
        return frozenset(word for word in self.content(_IN_LAW.sub("", text)) if word in self._relations)

    def called(self, question: str) -> str:
        """A question with each relation replaced by its name, where only one has it: "your sister" is Bea."""

        def replaced(match: re.Match[str]) -> str:
            found = self._named.get(stem(match.group(1).lower()), [])
            return f"{found[0]}{match.group(2) or ''}" if len(found) == 1 else match.group()

        return re.sub(r"\b[Yy]our ([a-z]+?)('s|’s)?(?![\w'])", replaced, question)

    def related(self, question: str) -> str:
        """A question with each name replaced by its relation: "Where does Bea live?" asks where "your sister" lives."""

        def replaced(match: re.Match[str]) -> str:
            relation = self._relation.get(stem(match.group(1).lower()))
            return f"your {relation}{match.group(2) or ''}" if relation else match.group()

        return re.sub(r"\b([A-Z][a-z]+)('s|’s)?(?![\w'])", replaced, question)

    def meant(self, question: str, heard: str) -> str:
        """A question with whoever was spoken of last in the place of "he" or "she": "your brother" after "my brother Cal"."""
        # "My grandmother's piano" is about a piano.
        people = [self.as_relation(stem(word)) for word in words(_IN_LAW.sub("", heard)) if not word.endswith("'s")]

        def replaced(match: re.Match[str]) -> str:
            pronoun, short_is, next_word = match.group(1).lower(), match.group(2), match.group(3)
            could_be = _HE if pronoun in ("he", "him", "his") else _SHE
            found = next((could_be[person] for person in reversed(people) if person in could_be), None)
            if found is None:
                return match.group()
            owner = pronoun == "his" or (pronoun == "her" and next_word)
            return f"your {found}{chr(39) + 's' if owner else ' is' if short_is else ''}{next_word or ''}"

        return re.sub(r"\b(he|him|his|she|her|hers)('s|’s)?\b( [a-z]+)?", replaced, question, flags=re.IGNORECASE)

    def as_relation(self, word: str) -> str:
        """The stem of the relation that the stem of a name has, or the word itself."""
        relation = self._relation.get(word)
        return stem(relation) if relation else word
