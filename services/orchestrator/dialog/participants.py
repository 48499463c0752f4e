"""Who is there, what they are called, whose voice is heard, and who spoke to whom last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog.events import Contribution
from services.orchestrator.dialog.vocatives import introduced, presented


@dataclass(frozen=True)
class Exchange:
    """Somebody spoke to somebody; `to` is empty for the persona."""

    speaker: str
    to: str
    at: int
    asked: bool = False
    """It asked for something."""
    among_people: int = 0
    """So many exchanges in a row, with this one, the persona had no part in."""
    since_name: int | None = None
    """So many of these ago somebody was called by name; None: nobody was."""


@dataclass(frozen=True)
class Participants:
    """Who is there, and who spoke to whom."""

    people: tuple[str, ...] = ()
    """Labels, in the order in which they came."""
    names: Mapping[str, str] = field(default_factory=dict)
    """What people are called, in lower case, and their labels; the name itself for somebody who has not spoken yet."""
    told_names: Mapping[str, str] = field(default_factory=dict)
    """What clients have said that people are called, by their labels."""
    voices: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    """For each microphone whose voice it was since the last contribution, and by how many characters."""
    heard: tuple[str, ...] = ()
    """Those who have said something, the latest last."""
    last: Exchange | None = None
    told: bool = False
    """The client says who is meant."""


def notice(participants: Participants, event: ev.Event) -> Participants:
    """Takes in whose voice it is."""
    if isinstance(event, ev.WordsFinal) and event.voice and event.text:
        voice, length = participants.voices.get(event.speaker, ("", 0))
        if event.voice == voice:
            length += len(event.text)
        elif len(event.text) > length:
            voice, length = event.voice, len(event.text)
        return replace(participants, voices={**participants.voices, event.speaker: (voice, length)})
    return participants


def speaker_of(participants: Participants, microphone: str) -> str:
    """Who speaks there: told by voice, else as the microphone is called."""
    return participants.voices.get(microphone, (microphone, 0))[0]


def voiced(participants: Participants, said: Contribution) -> tuple[Participants, Contribution]:
    """The contribution with its voice's label, after which the microphone is anybody's."""
    speaker, microphone = speaker_of(participants, said.speaker), said.speaker
    if speaker != microphone:
        said = replace(said, speaker=speaker, microphone=microphone)
    return unvoiced(participants, microphone), said


def unvoiced(participants: Participants, microphone: str) -> Participants:
    """Nothing is known of whose voice the next words are."""
    if microphone not in participants.voices:
        return participants
    return replace(participants, voices={known: voice for known, voice in participants.voices.items() if known != microphone})


def revoiced(participants: Participants, said: Contribution) -> Participants:
    """A contribution goes on: its voice counts for what follows."""
    return replace(participants, voices={**participants.voices, said.came_from: (said.speaker, len(said.text))})


def joined(participants: Participants, label: str) -> Participants:
    """Somebody is there."""
    if label in participants.people:
        return participants
    awaited = [name for name, known in participants.names.items() if known not in participants.people]
    names = dict(participants.names)
    if name := participants.told_names.get(label):
        names[name.lower()] = label
    elif len(awaited) == 1 and participants.people:
        names[awaited[0]] = label
    return replace(participants, people=(*participants.people, label), names=names)


def left(participants: Participants, label: str) -> Participants:
    """Somebody has gone. They can still be called by name, and be told so."""
    return replace(
        participants,
        people=tuple(one for one in participants.people if one != label),
        voices={microphone: voice for microphone, voice in participants.voices.items() if microphone != label},
        heard=tuple(one for one in participants.heard if one != label),
    )


def named(participants: Participants, label: str, name: str) -> Participants:
    """A client says what somebody is called."""
    participants = replace(participants, told_names={**participants.told_names, label: name})
    if label not in participants.people:
        return participants
    names = {known: who for known, who in participants.names.items() if who != label}
    return replace(participants, names={**names, name.lower(): label})


def relabelled(participants: Participants, label: str, known: str) -> Participants:
    """Whoever was `label` is `known`, also in what was said before."""

    def who(one: str) -> str:
        return known if one == label else one

    last = participants.last
    return replace(
        participants,
        people=tuple(dict.fromkeys(map(who, participants.people))),
        names={name: who(one) for name, one in participants.names.items()},
        told_names={who(one): name for one, name in participants.told_names.items()},
        voices={microphone: (who(one), length) for microphone, (one, length) in participants.voices.items()},
        heard=tuple(dict.fromkeys(map(who, participants.heard))),
        last=replace(last, speaker=who(last.speaker), to=who(last.to)) if last else None,
    )


def introductions(participants: Participants, said: Contribution) -> Participants:
    """Names that are heard: one's own, and that of the one who is presented, or who was called and answers."""
    names = dict(participants.names)
    if name := introduced(said.text):
        names[name.lower()] = said.speaker
    nameless = [label for label in participants.people if label != said.speaker and label not in names.values()]
    if (name := presented(said.text)) and name.lower() not in names and len(nameless) <= 1:
        # Who has not spoken yet goes by the name until then.
        names[name.lower()] = nameless[0] if nameless else name
    last = participants.last
    if last and last.to and last.to not in participants.people and last.speaker != said.speaker:
        if said.speaker not in names.values():
            names.setdefault(last.to.lower(), said.speaker)
        participants = replace(participants, last=replace(last, to=said.speaker))
    return replace(participants, names=names)
