"""What the dialog machine knows and how it is set: plain values, and the few moves that all rules share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from services.common.reading.reading import Reading
from services.orchestrator.dialog import effects as fx
from services.orchestrator.dialog.addressee import Guess
from services.orchestrator.dialog.effects import Effect
from services.orchestrator.dialog.events import Contribution, Evidence, Phase, ms
from services.orchestrator.dialog.participants import Participants

Step = tuple["State", list[Effect]]
_LONG_AGO = -ms(3_600_000)
#: (state, event, style) -> the next state, and effects in the order in which they must be carried out.
Rule = Callable[..., Step]


@dataclass(frozen=True)
class Style:
    """How this persona converses."""

    breaking_in_cost_s: float = 6.0
    """To break in once is as bad as so many seconds of needless waiting: a turn is over when waiting on costs that much."""
    longest_pause: int = ms(2500)
    """After so much silence it is in any case."""
    awaited_costs: float = 7.0
    """A second of waiting costs so many times as much where an answer is awaited: people give one within a quarter second."""
    story_silence: int = ms(2000)
    """While somebody tells a story, not before so much silence: they pause after whole sentences, and want a listener."""
    gap_after: int = ms(500)
    """A longer silence is heard as a gap, in which waiting costs more and more."""
    gap_costs: float = 2.0
    """A second of waiting costs so many times more for each second of the gap."""
    drafts_a_turn: int = 3
    """So many replies are drafted before the turn is over; after that only to questions."""
    manual_turns: bool = False
    """Speakers say themselves when their turn is over, and only that: nothing is concluded from silence or speech."""
    interruptible: bool = True
    judge_within: int = ms(2000)
    """Speech over the persona that is still undecided after this is an interruption if it goes on, else nothing."""
    sure: float = 0.6
    """A verdict on speech over the persona that is less probable is a guess, and a surer one will follow."""
    interrupt_words: int = 2
    """Without the turn service, this many words over the persona are an interruption."""
    goes_on_within: int = ms(400)
    """Who speaks again so soon after the first sound of the reply to them does not react to it: they had not finished."""
    answer_within: int = ms(1000)
    """A little word over the last words of a reply is an answer to it when it ended within this of their end."""
    stuck_after: int = ms(6000)
    """A reply of which nothing has come by then has failed."""
    filler_after: int | None = ms(650)
    """So long after a contribution without anything of the reply, a word shows that the persona is thinking; None: never."""
    filler_patience: int = ms(200)
    """But the reply has at least so long from its commit on."""
    voiceless_endpoint: int = ms(1200)
    """Without the turn service, this long without new words ends a turn."""
    nods: bool = True
    """The persona nods while it listens, at most once in `nod_every`."""
    nod_every: int = ms(1500)
    backchannel_every: int | None = None
    """At least so long between two backchannels in its voice; None: it says none."""
    backchannel_below: float = 0.35
    """And only while the end of the turn is less likely than this."""
    silent_after: int = ms(10_000)
    """When nobody has spoken for so long, the persona speaks up if it has something to say, or is silent too."""
    prompts: bool = False
    """It has something to say then."""
    waits: bool = False
    """It has something to say when it is asked to wait."""
    names: tuple[str, ...] = ()
    """What the persona is called."""


@dataclass(frozen=True)
class SpeakerState:
    """What is known of one speaker since their last contribution."""

    speaking: bool = False
    last_speech_at: int = 0
    probability: float = 0.0
    """Newest end-of-turn probability of the silence that lasts."""
    waiting_cost_s: float = 0.0
    """What it costs to wait on in it, see `events.EndOfTurn`; 0 while nothing is known of it."""
    heard: str = ""
    """Final words of the contribution so far."""
    before: str = ""
    """What the speaker had said when the persona broke in, if this goes on with it."""
    partial: str = ""
    partial_at: int = 0
    flush_id: int = 0
    """The flush that is not answered yet; 0: none."""
    unheard: bool = False
    """The turn service does not know of this silence, see `SpeechStopped`."""
    read: str | None = None
    """The words that the turn service has read last; None: none."""
    reading: Reading | None = None
    """What they say; None: nobody reads their language."""
    drafts: int = 0
    """How many replies were drafted to it."""
    considered: str = ""
    """The final words for which that was decided in this silence."""
    addressee: str = ""
    waits_until: int = 0
    """The contribution is not complete before: it would only be noted, and evidence against that may still come."""
    closing: bool = False
    """The speaker has said that the turn is over; its last words are awaited."""


@dataclass(frozen=True)
class Testimony:
    """What the llm has told of whom these words are meant for."""

    text: str
    evidence: Evidence


@dataclass(frozen=True)
class State:
    phase: Phase = Phase.LISTENING
    turn_id: int = 0
    """The newest turn given out; it may still be a candidate that only thinks along."""
    candidate: bool = False
    """`turn_id` is not committed yet."""
    answering: Contribution | None = None
    """What the turn in hand answers."""
    since: int = 0
    """When the phase began, or, while THINKING or SPEAKING, when something of the reply last came."""
    audible_at: int = _LONG_AGO
    """When the first sound of the turn in hand was heard."""
    retried: bool = False
    text_done: bool = False
    spoken: bool = False
    """Some text of the turn in hand went to the voice."""
    filled: bool = False
    """A filler did."""
    flushes: int = 0
    people: Mapping[str, SpeakerState] = field(default_factory=dict)
    lost: frozenset[str] = frozenset()
    nodded_at: int = _LONG_AGO
    backchannelled_at: int = _LONG_AGO
    spoken_to: bool = False
    """Somebody has said something to the persona."""
    prompted: int = 0
    """How often it has spoken up since."""
    held: bool = False
    """It was asked to wait."""
    participants: Participants = field(default_factory=Participants)
    testimony: Testimony | None = None
    """The newest one; it counts for these very words and no others."""
    doubt: Guess | None = None
    """What there was to go by for the contribution that is being answered, while the llm has told nothing of it."""
    finishing: bool = False
    ended: bool = False


def person_of(state: State, speaker: str) -> SpeakerState:
    return state.people.get(speaker, SpeakerState())


def with_person(state: State, speaker: str, person: SpeakerState) -> State:
    return replace(state, people={**state.people, speaker: person})


def words_of(person: SpeakerState) -> str:
    """All that the speaker has said in the contribution so far, what may still change at its end."""
    return join(person.heard, person.partial)


def join(first: str, second: str) -> str:
    """Words said one after the other."""
    return f"{first} {second}".strip()


def resumed(person: SpeakerState) -> SpeakerState:
    """The persona has yielded: what was said before it broke in belongs to what is said now."""
    return replace(person, heard=join(person.before, person.heard), before="") if person.before else person


def enter(state: State, phase: Phase, at: int, effects: list[Effect]) -> Step:
    """Into a phase; it is shown when it is another one."""
    shown: list[Effect] = [fx.Show(phase, state.turn_id)] if phase is not state.phase else []
    return replace(state, phase=phase, since=at), [*effects, *shown]


def forget_turn(state: State) -> State:
    """The turn in hand is over; the next turn_id is taken so that all that is left of it is stale."""
    return replace(
        state,
        turn_id=state.turn_id + 1,
        candidate=True,
        answering=None,
        retried=False,
        text_done=False,
        spoken=False,
        filled=False,
    )


def current(state: State, turn_id: int) -> bool:
    """Whether this is the turn in hand."""
    return turn_id == state.turn_id and not state.candidate and not state.phase.quiet
