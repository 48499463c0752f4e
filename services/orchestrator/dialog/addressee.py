"""Who is meant: the persona, or somebody else who is there. By rules, from who spoke to whom and whom the words call.

Whoever is alone with the persona always means it. Among several, a name that is called decides; then what was said before: an
answer goes to whoever asked, a question right after the persona spoke goes to the persona. A client that says itself who is
meant is believed from then on, also where it leaves it open. Where the rules can only guess, the llm may have an opinion, which
overrules them when it is a clear one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog.events import Contribution, ms
from services.orchestrator.dialog.vocatives import called, introduced, presented

#: After so long what two people said to each other is over.
_OVER: Final = ms(20_000)
#: So many exchanges after a name was called are still between these people. To answer what was not meant for the persona is a
#: nuisance; to be silent for good because of one wrong guess is the end of the conversation.
_FOLLOWING: Final = 3
#: People who talk about what they will do do not mean the persona, which can do nothing with them.
_AMONG_US: Final = re.compile(
    r"\b(let['’]s|shall we|(should|could|can|must|do) we|we (should|could|must|can|need to|have to|ought to|had better))\b",
    re.IGNORECASE,
)
#: Somebody who is spoken about can hear it: so it is not said to them.
_ABOUT_PERSONA: Final = re.compile(
    r"\b(she|he) (just )?(said|says|told|mentioned|explained)\b|\b(ask|asked|tell|told|show) (her|him)\b", re.IGNORECASE
)
#: What another one says right after the persona's answer is said to their own people.
_OUR_OWN: Final = re.compile(r"\b(our|ours)\b", re.IGNORECASE)
#: "Us" are all but the one who is asked.
_TO_US: Final = re.compile(r"\b(tell|show|give|teach|sing|play|read) us\b|\bgo on\b|\byou were saying\b", re.IGNORECASE)
#: An opinion overrules the guess that somebody else is meant from here on, and the one that the persona is only below that.
_FOR_PERSONA: Final = 0.5
_FOR_OTHERS: Final = 0.25


@dataclass(frozen=True)
class Exchange:
    """Somebody spoke to somebody; `to` is empty for the persona."""

    speaker: str
    to: str
    at: int
    since_name: int = 0
    """Between people: so many exchanges ago a known name was called; a guess counts as the last of them."""


@dataclass(frozen=True)
class Ruling:
    """Whom a contribution is meant for by the rules."""

    to: str
    """Empty for the persona, else a label, or a name that is not known."""
    other: str = ""
    """Who it is if it is not the persona, where this is only a guess; empty: it is sure."""


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


def judged(
    participants: Participants, said: Contribution, persona: tuple[str, ...], opinion: float | None = None
) -> tuple[Participants, Contribution]:
    """The contribution with whom it is meant for, empty for the persona; and what that tells of the participants.

    `opinion` is how likely it is meant for the persona, for all that the llm can tell.
    """
    participants = _introduced(joined(participants, said.speaker), said)
    if said.addressee.lower() in {name.lower() for name in persona}:
        participants, said = replace(participants, told=True), replace(said, addressee="")
    elif said.addressee:
        participants = replace(participants, told=True)
    elif not participants.told:
        said = replace(said, addressee=_decided(_ruled(participants, said, persona), opinion))
    exchange = Exchange(said.speaker, said.addressee, said.ended_at, _since_name(participants, said, persona))
    heard = (*(label for label in participants.heard if label != said.speaker), said.speaker)
    return replace(participants, last=exchange, heard=heard), said


def _since_name(participants: Participants, said: Contribution, persona: tuple[str, ...]) -> int:
    """For `Exchange`."""
    if not said.addressee or participants.told or called(said.text, participants.names, persona, strangers=False):
        return 0
    last = participants.last
    if last and last.to and last.since_name <= _FOLLOWING:
        return last.since_name + 1
    # A guess, or a name that is not known: an answer to it is all that follows.
    return _FOLLOWING


def in_doubt(participants: Participants, said: Contribution, persona: tuple[str, ...]) -> str:
    """Who may be meant instead of the persona, or besides it, where an opinion would help; else empty."""
    if said.addressee or participants.told:
        return ""
    return _ruled(_introduced(joined(participants, said.speaker), said), said, persona).other


def meant_for_other(opinion: float) -> bool:
    """Whether this is clear enough to overrule the guess that the persona is meant."""
    return opinion <= _FOR_OTHERS


def redirected(participants: Participants, said: Contribution, other: str) -> tuple[Participants, Contribution]:
    """What was taken to be for the persona was for somebody else."""
    return replace(participants, last=Exchange(said.speaker, other, said.ended_at, _FOLLOWING)), replace(said, addressee=other)


def _decided(ruling: Ruling, opinion: float | None) -> str:
    """What is sure stands; a guess does unless there is a clear opinion against it."""
    if opinion is None or not ruling.other:
        return ruling.to
    if ruling.to:
        return "" if opinion >= _FOR_PERSONA else ruling.to
    return ruling.other if meant_for_other(opinion) else ""


def _ruled(participants: Participants, said: Contribution, persona: tuple[str, ...]) -> Ruling:
    if all(label == said.speaker for label in participants.people):
        return Ruling("")
    who = called(said.text, participants.names, persona, strangers=True)
    if who is not None and persona and who == persona[0].lower():
        return Ruling("")
    if who is not None and who != said.speaker:
        return Ruling(who)
    if said.typed:
        # Whoever types writes to the persona: people who are there speak to each other.
        return Ruling("")
    return _by_what_was_before(participants, said)


def _by_what_was_before(participants: Participants, said: Contribution) -> Ruling:
    last = participants.last
    if last is None:
        return Ruling("")
    between_people = last.to and said.ended_at - last.at <= _OVER
    if between_people and last.since_name <= _FOLLOWING:
        if _TO_US.search(said.text):
            return Ruling("")
        to = last.to if said.speaker == last.speaker else last.speaker
        # Who was just called by name answers; what follows then may be to anybody.
        return Ruling(to, other=to if last.since_name else "")
    partner = next((label for label in reversed(participants.heard) if label != said.speaker), "")
    if _AMONG_US.search(said.text) or _ABOUT_PERSONA.search(said.text):
        return Ruling(partner)
    follows = last.speaker == said.speaker
    return Ruling(partner if not follows and _OUR_OWN.search(said.text) else "", other=partner)


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


def _introduced(participants: Participants, said: Contribution) -> Participants:
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
