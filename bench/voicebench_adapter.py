"""`make bench-voicebench_adapter`: the same system under voicebench (PyPI, Apache-2.0), a harness that is not ours.

voicebench plays recordings to an agent, records both sides and finds who speaks when by energy. Three of its rules are guarded:

- An agent that answers in the middle of a question passes there. Here its negative latency is a failure, and counted.
- Its threshold misses quiet pauses and soft ends. Here it is set for each file, and the end of a question is the one that
  bench/data knows.
- A pause of 250 ms ends the agent's speech there. Here it is 700 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import soundfile
from rich.console import Console
from rich.table import Table
from scipy.signal import resample_poly
from voicebench.adapters import Adapter, AgentAudio, Transcript
from voicebench.audio import FloatArray
from voicebench.metrics import SessionMetrics, TurnResult, analyze, summarize
from voicebench.runner import run
from voicebench.scenario import Scenario, parse_scenario

import vivant
from bench.conversation.questions import MICROPHONE_HZ, NOISE_RMS, questions
from bench.conversation.sounds import Sound, recordings
from bench.talk import READY_S, percentile
from deploy.addresses import NOTHING_KEPT, environment, on_free_ports
from deploy.system import running

#: Quieter than the speech of a file by so much is silence to voicebench.
_BELOW_SPEECH_DB: Final = 20.0
#: The persona is let speak so long before somebody speaks over it.
_OVER_MS: Final = 1500
_PATIENCE_MS: Final = 5000
#: Recordings are played on behind the end of the words, where the last of them dies away: cut off there, it sounds unfinished.
_TAIL_S: Final = 0.2
_SEED: Final = 3


class VivantAdapter(Adapter):
    """An agent for voicebench: one conversation through the SDK."""

    name: ClassVar[str] = "vivant"

    def __init__(self, address: str, **options: Any) -> None:
        super().__init__(**options)
        self._address = address
        self._open = contextlib.AsyncExitStack()
        self._listening: asyncio.Task[None] | None = None
        self._room = np.random.default_rng(_SEED)

    async def connect(self) -> None:
        """See voicebench: joins the session."""
        client = await self._open.enter_async_context(vivant.connect(self._address))
        converse = client.converse(video=vivant.Video("vp8", 512), microphone=self.session.sample_rate)
        self._talk = await self._open.enter_async_context(converse)
        self._listening = asyncio.create_task(self._listen())

    async def send_audio(self, pcm: FloatArray) -> None:
        """See voicebench: one frame. A microphone is never as silent as its zeros."""
        room = self._room.normal(0, NOISE_RMS / 32768, len(pcm))
        await self._talk.send_audio(np.asarray(pcm + room, np.float32))

    async def close(self) -> None:
        """See voicebench: leaves the session."""
        if self._listening:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        await self._open.aclose()

    async def _listen(self) -> None:
        rate, wanted = self._talk.ready.voice_rate_hz, self.session.sample_rate
        async for event in self._talk:
            now = self.session.clock.now()
            match event:
                case vivant.Unit(pcm=pcm) if any(pcm):
                    # A session ends there when no more sound comes; ours comes 25 times a second, silent or not.
                    sound = np.frombuffer(pcm, "<i2") / 32768
                    self.emit(AgentAudio(resample_poly(sound, wanted, rate).astype(np.float32), now))
                case vivant.Transcript(final=True, text=text):
                    self.emit(Transcript("user", text, now))


def scenario_of(name: str, sounds: Sequence[tuple[Sound, str]], folder: Path) -> Scenario:
    """A question, and what is said over its answer; each sound with what voicebench is to expect."""
    turns: list[dict[str, Any]] = []
    for number, (sound, expect) in enumerate(sounds):
        path = folder / f"{name}-{number}.wav"
        # An answer that comes while the silence behind a question is still being played would not be seen.
        played = sound.samples[: round((sound.spans[-1][1] + _TAIL_S) * MICROPHONE_HZ)]
        soundfile.write(path, played, MICROPHONE_HZ, subtype="PCM_16")
        turn: dict[str, Any] = {"audio": {"file": str(path)}, "expect": expect, "response_timeout_ms": _PATIENCE_MS}
        if number:
            turn["start"] = {"after": "agent_speech_start", "delay_ms": _OVER_MS, "timeout_ms": _PATIENCE_MS}
        turns.append(turn)
    quietest = min(_speech_db(sound) for sound, _ in sounds)
    vad = {"user": {"threshold_db": quietest - _BELOW_SPEECH_DB}, "agent": {"min_silence_ms": 700}}
    return parse_scenario({"name": name, "turns": turns, "vad": vad, "tail_ms": 1500})


def _speech_db(sound: Sound) -> float:
    parts = [sound.samples[round(a * MICROPHONE_HZ) : round(b * MICROPHONE_HZ)] for a, b in sound.spans]
    level = np.sqrt(np.mean((np.concatenate(parts) / 32768) ** 2))
    return float(20 * np.log10(level))


def latency_ms(turn: TurnResult, sound: Sound, session: SessionMetrics) -> float | None:
    """From the known end of a question to the agent's next sound; negative: it spoke before the end. None: it was silent."""
    begin, end = turn.start_s + sound.spans[0][0], turn.start_s + sound.spans[-1][1]
    onset = next((segment.start for segment in session.agent_segments if segment.start > begin), None)
    return None if onset is None else (onset - end) * 1000


async def measure(address: str, rounds: int, folder: Path, console: Console) -> dict[str, Any]:
    """Asks every question, speaks the next one over the answer, or an acknowledgement; returns the last line."""
    known = recordings()
    names = [question.name for question in questions()]
    softly = [name for name in known if name not in names and known[name].spans[-1][1] - known[name].spans[0][0] < 1.0]
    sessions: list[SessionMetrics] = []
    latencies: list[float | None] = []
    for number in range(rounds * len(names)):
        name = names[number % len(names)]
        over = (known[softly[number // 2 % len(softly)]], "ignore") if number % 2 and softly else (known["weather"], "stop")
        scenario = scenario_of(name, [(known[name], "respond"), over], folder)
        sessions.append(analyze(await run(scenario, VivantAdapter(address))))
        latencies.append(latency_ms(sessions[-1].turns[0], known[name], sessions[-1]))
        shown = "no answer" if latencies[-1] is None else f"{latencies[-1]:.0f} ms"
        notes = "; ".join(note for turn in sessions[-1].turns for note in turn.notes)
        console.print(f"{name:18} {shown}  {notes}", markup=False)
    return report(sessions, latencies, console)


def report(sessions: list[SessionMetrics], latencies: list[float | None], console: Console) -> dict[str, Any]:
    """Prints voicebench's own summary beside what the guards make of it, and returns the last line."""
    summary = summarize(sessions)
    late = [each for each in latencies if each is not None and each >= 0]
    line = {
        "latency_p50_ms": percentile(late, 50),
        "latency_p95_ms": percentile(late, 95),
        "spoke_before_the_end": sum(each is not None and each < 0 for each in latencies),
        "missed_responses": sum(each is None for each in latencies),
        "questions": len(latencies),
        "voicebench_latency_p50_ms": summary["response_latency_ms"]["p50"],
        "voicebench_barge_in_success_rate": summary["barge_in_success_rate"],
        "voicebench_barge_in_stop_p50_ms": summary["barge_in_stop_ms"]["p50"],
        "voicebench_barge_in_turns": summary["barge_in_turns"],
        "voicebench_false_barge_ins": summary["false_barge_ins"],
        "voicebench_spurious_responses": summary["spurious_responses"],
        "voicebench_noise_turns": summary["noise_turns"],
    }
    table = Table("what", "measured", title=f"voicebench, {len(sessions)} sessions")
    for name, value in line.items():
        table.add_row(name, "-" if value is None else str(value))
    console.print(table)
    return line


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.voicebench_adapter", description=__doc__.splitlines()[0] if __doc__ else None
    )
    parser.add_argument("--address", help="host:port of a running system; without it one is started")
    parser.add_argument("--rounds", type=int, default=1, help="how often all questions are asked (default 1)")
    arguments = parser.parse_args()
    console = Console()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vivant-voicebench-")))
        address = arguments.address
        if not address:
            console.print("Starting a system of its own ...")
            env = stack.enter_context(on_free_ports(environment() | NOTHING_KEPT))
            address = stack.enter_context(running(env, folder / "logs", READY_S)).address
        line = asyncio.run(measure(address, arguments.rounds, folder, console))
    print(json.dumps(line))


if __name__ == "__main__":
    main()
