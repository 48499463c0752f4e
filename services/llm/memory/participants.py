"""Who takes part in a conversation, and what they are called.

A participant's id has no meaning and is shown to nobody. Whose name is not known is called by their place in the order of
appearance, "Speaker 2"; of two with the same name the later has a number, so that what people are called tells them apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from services.llm.memory.history import Utterance
from services.llm.memory.store import Entry, Participant

#: In a prompt, brackets in a name would pass for memories or for a direction.
_PLAIN: Final = str.maketrans(dict.fromkeys("[](){}<>*", " "))


class Participants:
    """`taken` are names that only the persona has."""

    def __init__(self, persona_id: str, taken: Iterable[str] = (), known: Iterable[Participant] = ()) -> None:
        self._persona_id = persona_id
        self._taken = {persona_id.lower(), *(name.lower() for name in taken)}
        self._known = {each.id: each for each in known}
        self._given = set[str]()
        """Whose name their client has told."""
        self._now: dict[str, str] = {}
        """Who somebody is who was taken for somebody else."""
        self._changed = set[str]()
        self._called: dict[str, str] | None = None

    def meet(self, participant: Participant) -> None:
        """Somebody is there, as their client says: a name that it tells counts before one that they have said."""
        each = replace(participant, id=self.identity(participant.id))
        if each.name:
            self._given.add(each.id)
            self._put(each)
        elif each.id not in self._known:
            self._put(each)

    def appear(self, entry: Entry) -> Entry:
        """What somebody says, as those who they are now; whoever is new is there from now on."""
        now = replace(
            entry,
            participant_id=self.identity(entry.participant_id),
            addressees=tuple(replace(each, participant_id=self.identity(each.participant_id)) for each in entry.addressees),
            interrupted_by=entry.interrupted_by and self.identity(entry.interrupted_by),
        )
        for each in (now.participant_id, *(addressee.participant_id for addressee in now.addressees), now.interrupted_by):
            if each and each not in self._known:
                self._put(Participant(each, is_persona=each == self._persona_id))
        return now

    def learn(self, participant_id: str, name: str) -> None:
        """Somebody has said their name."""
        if participant_id not in self._given:
            self._put(replace(self._known[participant_id], name=name))

    def relabel(self, from_id: str, to_id: str) -> None:
        """Whoever was `from_id` is `to_id`."""
        self._now.pop(to_id, None)
        self._now[from_id] = to_id
        if (before := self._known.get(from_id)) is None:
            return
        self._changed.discard(from_id)
        if to_id in self._known:
            del self._known[from_id]
            self._put(replace(self._known[to_id], name=self._known[to_id].name or before.name))
        else:
            # In the same place.
            renamed = replace(before, id=to_id)
            self._known = {each.id: each for each in (renamed if each is before else each for each in self._known.values())}
            self._changed.add(to_id)
        self._called = None

    def identity(self, participant_id: str) -> str:
        """Who that is now."""
        while participant_id in self._now:
            participant_id = self._now[participant_id]
        return participant_id

    def name(self, participant_id: str) -> str:
        """Their name; "" while it is not known."""
        known = self._known.get(participant_id)
        return " ".join(known.name.translate(_PLAIN).split()) if known else ""

    def called(self, participant_id: str) -> str:
        """What they are called, whom no other is called; the persona is called by its id."""
        if self._called is None:
            self._called = self._all_called()
        return self._called.get(participant_id, "")

    def shown(self, entry: Entry) -> Utterance:
        """What somebody has said, as the persona knows it."""
        addressee = entry.addressees[0].participant_id if entry.addressees else ""
        return Utterance(
            self.called(entry.participant_id),
            entry.text,
            "" if addressee == self._persona_id else self.called(addressee),
            entry.interrupted,
            self.called(entry.interrupted_by or ""),
            nameless=not self.name(entry.participant_id),
        )

    def changed(self) -> Sequence[Participant]:
        """Those who are new or have another name since this was asked last."""
        changed, self._changed = self._changed, set()
        return [each for each in self._known.values() if each.id in changed]

    def _put(self, participant: Participant) -> None:
        if self._known.get(participant.id) != participant:
            self._known[participant.id] = participant
            self._changed.add(participant.id)
            self._called = None

    def _all_called(self) -> dict[str, str]:
        called, taken = {self._persona_id: self._persona_id}, set(self._taken)
        for place, each in enumerate((each for each in self._known if each != self._persona_id), 1):
            wished = self.name(each) or f"Speaker {place}"
            call, number = wished, 1
            while call.lower() in taken:
                number += 1
                call = f"{wished} {number}"
            called[each] = call
            taken.add(call.lower())
        return called
