"""Who takes part in a session, and under which ids: clients are told before anything refers to somebody."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from vivant.common.v1 import common_pb2
from vivant.errors import InvalidRequest

#: Ids and names are short: they stand in prompts and in every message.
MAX_NAME: Final = 64


def require_addressees(ids: Iterable[str]) -> None:
    """Refuses addressees that are nobody; raises InvalidRequest."""
    for addressee in ids:
        require_name("addressee", addressee)
        if not addressee:
            raise InvalidRequest(
                "addressee_ids: an id or a name is empty; name nobody to mean the persona", reason="no_participant"
            )


def require_name(what: str, name: str) -> None:
    """Refuses an id or a name that no service behind this one would take; raises InvalidRequest."""
    if len(name) > MAX_NAME:
        raise InvalidRequest(
            f"{what}: at most {MAX_NAME} characters are allowed, this one has {len(name)}", reason="name_too_long"
        )


class Roster:
    """The participants; `announce` is told of each that is new or called otherwise now, `merge` of
    two that are one, `leave` of who has gone."""

    def __init__(
        self,
        persona: common_pb2.Participant,
        announce: Callable[[common_pb2.Participant], None],
        merge: Callable[[str, str], None],
        leave: Callable[[str], None],
    ) -> None:
        self._persona = persona
        self._announce = announce
        self._merge = merge
        self._leave = leave
        self._known = {persona.id: persona}

    @property
    def participants(self) -> tuple[common_pb2.Participant, ...]:
        """Everybody, the persona first."""
        return tuple(self._known.values())

    @property
    def people(self) -> tuple[common_pb2.Participant, ...]:
        """Everybody but the persona."""
        return tuple(one for one in self._known.values() if one.id != self._persona.id)

    def admit(self, participant: common_pb2.Participant | None) -> common_pb2.Participant:
        """Whoever a client says is there, or somebody with an id of ours; raises InvalidRequest."""
        if participant is None or not participant.id:
            name = participant.name if participant is not None and participant.HasField("name") else None
            participant = common_pb2.Participant(id=self._new_id(), name=name)
        require_name("participant", participant.id)
        require_name("participant", participant.name)
        if participant.id == self._persona.id:
            raise InvalidRequest(f"{participant.id} is the persona; people need another id", reason="participant_is_persona")
        person = common_pb2.Participant(
            id=participant.id,
            name=participant.name if participant.HasField("name") else None,
            kind=common_pb2.PARTICIPANT_KIND_PERSON,
        )
        before = self._known.get(person.id)
        if before is not None and not person.HasField("name"):
            return before
        if before != person:
            self._known[person.id] = person
            self._announce(person)
        return person

    def meet(self, participant_id: str) -> common_pb2.Participant:
        """Somebody is referred to: by an id, or by a name that is nobody's yet, which is their id until they come."""
        known = self._known.get(participant_id)
        return known or self.admit(common_pb2.Participant(id=participant_id, name=participant_id))

    def settle(self, names: Mapping[str, str]) -> list[tuple[str, str]]:
        """Those who were known by a name only and have come: (the name, their id). `names` are in lower case."""
        come = ((name, names.get(name.lower(), name)) for name in self._known)
        return [(name, known) for name, known in come if known != name and known in self._known]

    def _new_id(self) -> str:
        """One that nobody has."""
        number = len(self._known)
        while f"person{number}" in self._known:
            number += 1
        return f"person{number}"

    def stranger(self) -> str:
        """The id of somebody of whom nothing is known."""
        return self.admit(None).id

    def met(self, participant_id: str) -> str:
        """The id of somebody who is referred to."""
        return self.meet(participant_id).id

    def left(self, participant_id: str) -> None:
        """Somebody has gone."""
        if self._known.pop(participant_id, None) is not None:
            self._leave(participant_id)

    def same(self, label: str, known: str) -> None:
        """Whoever was `label` is `known`."""
        self._known.pop(label, None)
        self._merge(label, known)
