"""What a take shows: of each line whether the persona did the right thing and how fast, and of each reply what was kept of it.

Pure: a `Take` in, plain values out that can be kept as JSON.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np

import vivant
from bench.conversation.playback import clicks, history_off, jumps, stale_units
from bench.conversation.questions import UNIT_S
from bench.conversation.scenarios import Expect, Scenario
from bench.conversation.sounds import PAUSE_S
from bench.conversation.stage import PATIENCE_S, WATCHED_S
from bench.conversation.take import Heard, Said, Take

#: A reply has yielded when it is over by then, counted from the first sound that asks for the floor.
YIELD_S: Final = 2.0
#: A reply that would have ended so soon anyway shows nothing about what was said over it.
NEAR_END_S: Final = 0.4
#: An "mm-hm" so soon before the end may be an answer.
MAY_BE_ANSWER_S: Final = 1.0
#: A line that is so long is a story: little words are due while it is told.
STORY_S: Final = 10.0
#: So much of a line is shown in lists.
_SHOWN: Final = 48
#: A reply that begins so soon after a pause was on its way in it.
_ON_ITS_WAY_S: Final = 0.2
#: Softer than before by 6 dB is ducked.
_DUCKED: Final = 0.5
#: The voice falls in the first 5 of the 40 ms of a unit.
_FADE_SHARE: Final = 1 / 8
#: What is typed is over so soon after it came.
_AT_ONCE_MS: Final = 50
#: The stage of a reply that says when it was begun, if that was before the turn was known to be over.
SPECULATED: Final = "speculated"


@dataclass
class LineResult:
    """What became of one line. None: it is not about that, or the moment showed nothing."""

    what: str
    expect: str
    speaker: str
    spoken: bool
    recorded: bool
    seconds: float
    pauses: int
    """Pauses inside it."""
    at_s: float
    """Where in the recording it begins."""
    v2v_ms: float | None = None
    early: bool | None = None
    """It was answered before its end."""
    pauses_taken: int = 0
    """Pauses inside it in which the persona began to speak."""
    gave_way_ms: list[float] = field(default_factory=list)
    """For so long it spoke on in each when the words went on."""
    answered: bool | None = None
    duck_ms: float | None = None
    stop_ms: float | None = None
    yielded: bool | None = None
    kept: bool | None = None
    held_ms: float | None = None
    """For so long the persona held its voice, and then went on."""
    label: str | None = None
    """Who the server says it was."""
    fault: str = ""


@dataclass
class RunResult:
    """What became of one run."""

    scenario: str
    run: int
    one_microphone: bool
    speakers: int
    lines: list[LineResult] = field(default_factory=list)
    history_off: list[int] = field(default_factory=list)
    """By how many words what is remembered of each reply is off from what was delivered of it."""
    stale: int = 0
    jumps: list[str] = field(default_factory=list)
    """Replies that did not go on at the same sample."""
    clicks: list[str] = field(default_factory=list)
    story_s: float = 0.0
    murmurs: int = 0
    """Little words of the persona while a story was told to it."""
    murmurs_across: int = 0
    """Little words that were heard between the end of any turn and its answer, or across that end."""
    nods: int = 0
    told_after_ms: list[float] = field(default_factory=list)
    """From the beginning of a pause in a story to what the server tells of in it, a nod or a little word."""
    told_murmurs: bool = False
    """The server has told of one, spoken or nodded."""
    turns: int = 0
    spoken_turns: int = 0
    """Replies to something spoken."""
    saved_ms: list[float] = field(default_factory=list)
    """Of replies that were begun before the turn was known to be over: by how much."""
    drafts: int = 0
    """Replies that were begun before that, given or thrown away."""
    addressees: bool = False
    """The server found out to whom something was said."""
    told: bool = False
    """The client told it."""
    unsaid: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    broken: str = ""

    @property
    def name(self) -> str:
        return f"{self.scenario}-{self.run + 1}"


def judge(take: Take, scenario: Scenario, began: float) -> RunResult:
    """Everything that one run shows; `began` is second 0 of its recording."""
    result = RunResult(take.scenario, take.run, scenario.one_microphone, len(scenario.speakers))
    moments = [*(said.at for said in take.said[1:]), np.inf]
    result.lines = [_line(take, said, until, began) for said, until in zip(take.said, moments, strict=False)]
    result.history_off = history_off(take)
    result.stale = stale_units(take)
    result.jumps, result.clicks = jumps(take), clicks(take)
    _count_murmurs(take, result)
    _read_metrics(take, result)
    result.told = any(line.addressee for line in scenario.lines)
    result.addressees = not result.told and any(transcript.addressees for transcript in take.of(vivant.Transcript))
    result.unsaid, result.broken = take.unsaid, take.broken
    result.notices = [notice.reason for notice in take.of(vivant.Notice)]
    return result


def _line(take: Take, said: Said, until: float, began: float) -> LineResult:
    line = said.line
    pauses = sum(end - begin >= PAUSE_S for begin, end in said.pauses)
    result = LineResult(
        line.what[:_SHOWN],
        line.expect.value,
        line.speaker,
        line.spoken,
        bool(line.recording),
        said.end - said.begin,
        pauses,
        said.begin - began,
    )
    match line.expect:
        case Expect.ANSWER:
            _answer(take, said, until, result)
        case Expect.QUIET:
            answer = take.first_audible(take.newest_turn(said.begin), said.begin)
            result.answered = answer is not None and answer.at < min(until, said.end + WATCHED_S)
            result.fault = "was answered" if result.answered else ""
        case Expect.GO_ON:
            _goes_on(take, said, until, result)
        case Expect.YIELD:
            _yields(take, said, result)
    if line.spoken:
        result.label = _label(take, said)
    return result


def _answer(take: Take, said: Said, until: float, result: LineResult) -> None:
    before = take.newest_turn(said.begin)
    first = take.first_audible(before, said.begin)
    taken = [(end, reply) for begin, end in said.pauses if (reply := _taken(take, begin, end))]
    result.pauses_taken = len(taken)
    result.gave_way_ms = [max(0.0, take.last_audible(reply) - end) * 1000 for end, reply in taken]
    result.early = first is not None and first.first is not None and first.first < said.end
    if result.early:
        result.answered, result.fault = True, "was answered before its end"
        return
    result.answered = first is not None and first.first is not None and first.first < min(until, said.end + PATIENCE_S)
    if result.answered and first and first.first:
        result.v2v_ms = (first.first - said.end) * 1000
    else:
        result.fault = "was not answered"


def _taken(take: Take, begin: float, end: float) -> int:
    """The reply that began in this pause, or was on its way when the words went on; 0: none."""
    first = take.first_audible(take.newest_turn(begin), begin)
    return first.turn_id if first is not None and end - begin >= PAUSE_S and first.at < end + _ON_ITS_WAY_S else 0


def _goes_on(take: Take, said: Said, until: float, result: LineResult) -> None:
    turn_id = take.speaking_at(said.begin)
    end = take.spoken_until(turn_id)
    if not turn_id or (end and said.begin > end - MAY_BE_ANSWER_S):
        return
    over = take.ends().get(turn_id)
    stopped = over is not None and over[1].interrupted and over[0] < until
    result.kept = not stopped
    if stopped:
        result.fault = "the persona stopped"
        return
    units = [unit for unit in take.of_turn(turn_id) if unit.at < until]
    gaps = [(b.index - a.index - 1) * UNIT_S for a, b in pairwise(units) if b.at > said.begin]
    result.held_ms = sum(gaps) * 1000


def _yields(take: Take, said: Said, result: LineResult) -> None:
    onset = said.floor
    turn_id = take.speaking_at(onset)
    over = take.ends().get(turn_id)
    end = take.spoken_until(turn_id)
    if not turn_id or (end and onset > end - NEAR_END_S):
        return
    result.yielded = over is not None and over[1].interrupted and over[0] - onset <= YIELD_S
    if not result.yielded:
        result.fault = "the persona went on"
        return
    if said.line.spoken:
        result.stop_ms = max(0.0, take.last_audible(turn_id) - onset) * 1000
        ducked = _ducked(take, turn_id, onset)
        result.duck_ms = max(0.0, ducked - onset) * 1000 if ducked else None


def _ducked(take: Take, turn_id: int, onset: float) -> float:
    """When the first unit after the onset is heard that has no voice of the reply, or a softer one; 0: never."""
    voiced = [_level(u) for u in take.of_turn(turn_id) if u.first is not None and onset - 2 < u.at <= onset]
    # A loud syllable is lowered too, though it may be no softer than others are.
    usual = max(float(np.median(voiced)), voiced[-1]) if voiced else 0.0
    held = next((at for at, event in take.states() if at > onset and event.state is vivant.State.PAUSED), np.inf)
    for unit in take.units:
        if unit.at + UNIT_S <= onset:
            continue
        lowered = (unit.ducked or unit.at >= held) and _level(unit, after=_FADE_SHARE) < _DUCKED * usual
        if unit.turn_id != turn_id or lowered:
            return unit.at
    return 0.0


def _level(unit: Heard, after: float = 0.0) -> float:
    """Of a unit, or of what stands in it after a share of it."""
    return float(np.sqrt(np.mean(unit.pcm[round(after * len(unit.pcm)) :].astype(np.float64) ** 2)))


def _label(take: Take, said: Said) -> str | None:
    """The speaker of the final transcript that covers most of a line."""
    best, label = 0.0, None
    for transcript in take.of(vivant.Transcript):
        if not transcript.final or transcript.typed:
            continue
        start = take.microphone_at + transcript.start_sample / 16_000
        end = take.microphone_at + transcript.end_sample / 16_000
        covered = min(end, said.end) - max(start, said.begin)
        if covered > best:
            best, label = covered, transcript.participant_id
    return label


def _count_murmurs(take: Take, result: RunResult) -> None:
    stories = [said for said in take.said if said.line.spoken and said.end - said.begin >= STORY_S]
    result.story_s = sum(said.end - said.begin for said in stories)
    heard = take.murmurs()
    for said in stories:
        during = [(first, last) for first, last in heard if said.begin <= first < said.end]
        result.murmurs += len(during)
    for said in take.said:
        if said.line.expect is Expect.ANSWER and said.line.spoken:
            answer = take.first_audible(take.newest_turn(said.begin), said.end)
            until = answer.at if answer else said.end + WATCHED_S
            result.murmurs_across += sum(last > said.end and first < until for first, last in heard)
    told = [(at, event) for at, event in take.events if isinstance(event, vivant.Backchannel)]
    result.told_murmurs = bool(told)
    ends = [end for said in stories for _, end in said.spans]
    result.told_after_ms = [
        1000 * (at - max(end for end in ends if end < at)) for at, _ in told if any(end < at for end in ends)
    ]
    result.nods = sum(event.nod and any(said.begin <= at < said.end for said in stories) for at, event in told)


def _read_metrics(take: Take, result: RunResult) -> None:
    stages: dict[int, dict[str, float]] = {}
    drafts: dict[int, int] = {}
    for metrics in take.of(vivant.Metrics):
        stages.setdefault(metrics.turn_id, {}).update({stage.name: stage.at_ms for stage in metrics.stages})
        drafts[metrics.turn_id] = metrics.drafts
    result.turns = len(stages)
    spoken = [turn for turn in stages.values() if turn.get("end_of_turn", 0.0) > _AT_ONCE_MS]
    result.spoken_turns, result.drafts = len(spoken), sum(drafts.values())
    result.saved_ms = [turn["end_of_turn"] - turn[SPECULATED] for turn in spoken if SPECULATED in turn]
