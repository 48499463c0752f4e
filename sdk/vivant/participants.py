"""Who takes part in a conversation, and what to call them: ids are for programs, names for people. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vivant.events import Event, Participant, ParticipantKind, Ready, Relabelled, Transcript
from vivant.texts import require_unicode


class Participants:
    """Feed it every event of a session; iterating gives everybody of whom there was one, in that order.

    Whoever has no name is "You", for this client's own, or "Person 1", "Person 2", ..., by their place in that order.
    """

    def __init__(self) -> None:
        self._known: dict[str, Participant] = {}
        self._places: dict[str, int] = {}
        self._moved: dict[str, str] = {}
        self._own = ""

    def __iter__(self) -> Iterator[Participant]:
        return iter(tuple(self._known.values()))

    def feed(self, event: Event) -> None:
        """Takes in what happened."""
        match event:
            case Ready():
                self._own = event.participant.id
                for who in (*event.others, event.participant):
                    self._meet(who)
            case Participant():
                self._meet(event)
            case Relabelled():
                self._relabel(event)
            case Transcript() if self.id_of(event.participant_id) not in self._known:
                self._meet(Participant(event.participant_id))

    def id_of(self, participant_id: str) -> str:
        """The id that somebody has now, who had this one once."""
        return self._moved.get(participant_id, participant_id)

    def name_of(self, participant_id: str) -> str:
        """What to call whoever has, or had, this id."""
        current = self.id_of(participant_id)
        who = self._known.get(current)
        if who and who.name:
            return who.name
        if self.is_own(participant_id):
            return "You"
        return f"Person {self._places.get(current, len(self._places) + 1)}"

    def is_own(self, participant_id: str) -> bool:
        """Whether this is whoever speaks and types at this client when nothing else is said."""
        return self.id_of(participant_id) == self.id_of(self._own)

    def _meet(self, who: Participant) -> None:
        self._known[who.id] = who
        if who.kind is ParticipantKind.PERSON:
            self._places.setdefault(who.id, len(self._places) + 1)

    def _relabel(self, event: Relabelled) -> None:
        self._moved = {id_: event.to_id if now == event.from_id else now for id_, now in self._moved.items()}
        self._moved[event.from_id] = event.to_id
        was = self._known.pop(event.from_id, None)
        if was and event.to_id not in self._known:
            self._known[event.to_id] = replace(was, id=event.to_id)
            self._places[event.to_id] = self._places.get(event.from_id, len(self._places) + 1)


def as_participant(who: Participant | str) -> Participant:
    """Somebody by their name, which is the id, too; raises InvalidRequest for a name that is not Unicode."""
    found = Participant(who, who) if isinstance(who, str) else who
    require_unicode("participant", found.id)
    require_unicode("participant", found.name or "")
    return found
