"""A take as files to listen to: both sides in one WAV file, and beside it what happened when.

The user is left, the persona right. The persona's units stand one after the other, as a client plays them that has found its
beat; seconds in the table are those of the sound file.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import resample_poly

import vivant
from bench.conversation.questions import MICROPHONE_HZ, UNIT_S
from bench.conversation.take import Take

Row = tuple[float, str, str]


def write(take: Take, folder: Path) -> Path:
    """Writes `<scenario>-<run>.wav` and `.tsv`; returns the sound file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{take.scenario}-{take.run + 1}.wav"
    soundfile.write(path, tracks(take), take.rate_hz, subtype="PCM_16")
    with path.with_suffix(".tsv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter="\t", lineterminator="\n")
        table.writerow(("seconds", "what", "details"))
        for at, what, details in sorted(rows(take)):
            table.writerow((f"{at - begin_of(take):.3f}", what, " ".join(details.split())))
    return path


def begin_of(take: Take) -> float:
    """The moment that is second 0 of the recording."""
    return min(take.microphone_at, beat_of(take)) if take.units else take.microphone_at


def beat_of(take: Take) -> float:
    """When unit 0 would have arrived, had all units come exactly on the beat that most of them keep."""
    return float(np.median([unit.at - unit.index * UNIT_S for unit in take.units]))


def tracks(take: Take) -> NDArray[np.int16]:
    """User and persona, [samples, 2] at the rate of the persona's voice."""
    begin = begin_of(take)
    user = resample_poly(take.microphone.astype(np.float64), take.rate_hz, MICROPHONE_HZ)
    parts = [(take.microphone_at - begin, user)]
    if take.units:
        first = beat_of(take) - begin
        parts = [*parts, *((first + unit.index * UNIT_S, unit.pcm.astype(np.float64)) for unit in take.units)]
    starts = [round(start * take.rate_hz) for start, _ in parts]
    sound = np.zeros((max(start + len(part) for start, (_, part) in zip(starts, parts, strict=True)), 2))
    for number, (start, (_, part)) in enumerate(zip(starts, parts, strict=True)):
        sound[start : start + len(part), min(number, 1)] = part
    return np.clip(np.rint(sound), -32768, 32767).astype(np.int16)


def rows(take: Take) -> Iterator[Row]:
    """What happened, in no order."""
    for said in take.said:
        who = said.line.speaker or "user"
        yield said.begin, f"{who} begins", f"{said.line.what} ({said.line.expect})"
        for start, end in said.spans:
            yield end, f"{who} is silent", f"after {end - start:.2f} s"
    turn_id = 0
    for unit in take.units:
        if unit.turn_id != turn_id:
            turn_id = unit.turn_id
            yield unit.at, "voice", f"turn {turn_id} from sample {unit.turn_sample}" if turn_id else "none"
    for first, last in take.murmurs():
        yield first, "voice beside", f"for {last - first:.2f} s"
    for at, event in take.events:
        yield at, *_told(event)


def _told(event: vivant.Event) -> tuple[str, str]:  # noqa: PLR0911 - one return an event
    match event:
        case vivant.Transcript(final=final, text=text, participant_id=speaker, addressees=addressees):
            to = " to " + ", ".join(each.participant_id for each in addressees) if addressees else ""
            return "transcript" if final else "transcript so far", f"{speaker}{to}: {text}"
        case vivant.StateChanged(state=state, turn_id=turn_id):
            return f"state {state}", f"turn {turn_id}"
        case vivant.Caption(turn_id=turn_id, text=text):
            return "caption", f"turn {turn_id}: {text}"
        case vivant.Turn(turn_id=turn_id, heard_text=heard, interrupted=interrupted):
            return "turn is interrupted" if interrupted else "turn is over", f"turn {turn_id}, heard: {heard}"
        case vivant.Metrics(turn_id=turn_id, stages=stages):
            return "metrics", f"turn {turn_id}: " + ", ".join(f"{stage.name} {stage.at_ms:.0f}" for stage in stages)
        case vivant.Notice(reason=reason, message=message):
            return f"notice {reason}", message
        case vivant.Ready(session_id=session_id):
            return "ready", session_id
    return type(event).__name__.lower(), str(event)
