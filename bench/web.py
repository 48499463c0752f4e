"""`make bench-web`: conversations in a real Chromium, measured inside the page and beside the SDK in one run.

The same recorded questions are asked through the SDK and into the page's microphone. In the page are measured: the end of the
speech to the first audible sample; pictures a second and lost packets; how far sound and picture are apart, over minutes; what
the gateway costs. With --loss (as root) a part of all UDP packets on the loopback is dropped, and what the page then plays is
recognised and compared with what was said.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import av
import jiwer
import numpy as np
from playwright.async_api import Page, async_playwright
from rich.console import Console
from rich.table import Table
from whisper_normalizer.english import EnglishTextNormalizer

import vivant
from bench.asr.recognising import recognise
from bench.conversation.questions import Question, questions
from bench.resources import Processes
from bench.talk import READY_S, Results, converse, percentile
from deploy.addresses import NOTHING_KEPT, environment, on_free_ports
from deploy.system import running
from services.asr.engine import Engine
from services.asr.engines import ENGINES
from services.common import registry
from services.common.settings import SharedSettings

TARGETS: Final = {
    "v2v_p50_ms": 1100,
    "over_sdk_ms": 250,
    "lost_pct": 1,
    "av_p95_ms": 45,
    "drift_ms": 10,
    "gateway_core_pct": 20,
    "first_paint_ms": 1000,
    "transfer_kb": 300,
}
CHROMIUM: Final = os.environ.get("CHROMIUM", "/usr/bin/chromium")
_FLAGS: Final = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--allow-loopback-in-peer-connection",
]
_PATIENCE_S: Final = 8.0
_LISTEN_S: Final = 1.0
_PAUSE_S: Final = 1.0
_POLL_S: Final = 0.2
#: Asked again and again, so that there are lips to be watched.
_STORY: Final = "Tell me the whole story of how you became a piano tuner."
_LOOK_S: Final = 5.0
_STORY_S: Final = 30.0
_PAINT: Final = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
_TRANSFER: Final = """[...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
    .reduce((sum, { transferSize }) => sum + transferSize, 0) / 1000"""
_LAST_SAID: Final = "[...document.querySelectorAll('#log li.persona')].at(-1).querySelector('span').textContent"
#: A sentence that memory answers at length, for what is heard under loss.
_UNDER_LOSS: Final = ("Where did you grow up?", "What do you do for a living?", "Do you have any pets?")


@dataclass(frozen=True)
class Heard:
    """What was heard of one question in the page."""

    question: str
    v2v_ms: float | None
    """From the end of the question to the first audible sample."""
    early: bool
    """Something was heard before its end."""
    stages: dict[str, float]
    """When what was done in the services, in ms since the end of the question as they heard it."""


@dataclass
class Watched:
    """What the page said of itself over some minutes."""

    offsets: list[tuple[float, float]] = field(default_factory=list)
    """(seconds since the start, A/V offset in ms) of every picture."""
    frames: int = 0
    seconds: float = 0.0
    lost_pct: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)


@asynccontextmanager
async def page_of(url: str) -> AsyncIterator[Page]:
    """A page that is in a conversation."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        try:
            context = await browser.new_context(permissions=["microphone"], viewport={"width": 1280, "height": 800})
            await context.add_init_script(path=Path(__file__).parent / "web_page.js")
            page = await context.new_page()
            page.on("pageerror", lambda error: Console(stderr=True).print(f"page: {error}", style="red", markup=False))
            await page.goto(url)
            await page.get_by_role("button", name="Start talking").click()
            await page.wait_for_function("() => video.getVideoPlaybackQuality().totalVideoFrames > 5", timeout=20_000)
            await asyncio.sleep(2)
            await hush(page)
            yield page
        finally:
            await browser.close()


async def hush(page: Page) -> None:
    """Stops the reply in hand and is quiet for a moment."""
    await page.keyboard.press("Escape")
    await asyncio.sleep(_PAUSE_S)


async def ask(page: Page, question: Question) -> Heard:
    """Asks one question and waits for the answer."""
    pcm = base64.b64encode(question.samples.tobytes()).decode()
    began: float = await page.evaluate("(pcm) => benchSay(pcm)", pcm)
    ended = began + question.end_s * 1000
    deadline = time.monotonic() + question.end_s + _PATIENCE_S
    early = False
    while time.monotonic() < deadline:
        stats = await page.evaluate("vivantStats()")
        heard = [item["at_ms"] for item in stats["heard_at"]]
        early = early or any(began + question.start_s * 1000 < at <= ended for at in heard)
        after = [at for at in heard if at > ended]
        if after:
            return Heard(question.name, min(after) - ended, early, dict(stats["stages"] or []))
        await asyncio.sleep(_POLL_S)
    return Heard(question.name, None, early, {})


async def converse_in(page: Page, rounds: int, console: Console) -> list[Heard]:
    """All questions, some times; those that were answered after their end."""
    answered = []
    for _ in range(rounds):
        for question in questions():
            answer = await ask(page, question)
            shown = "no answer" if answer.v2v_ms is None else f"{answer.v2v_ms:5.0f} ms"
            console.print(f"page  {question.name:18} {shown}{'  early' if answer.early else ''}", markup=False)
            if answer.v2v_ms is not None and not answer.early:
                answered.append(answer)
            await asyncio.sleep(_LISTEN_S)
            await hush(page)
    return answered


async def watch(page: Page, seconds: float, processes: Processes, console: Console) -> Watched:
    """Looks at the page for so long, while the persona tells stories."""
    watched = Watched()
    await page.evaluate("vivantStats()")
    counted = await page.evaluate("document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames")
    before, began, asked = processes.cpu_s(), time.monotonic(), 0.0
    while (now := time.monotonic() - began) < seconds:
        if now >= asked:
            asked = now + _STORY_S
            await page.locator("#words").fill(_STORY)
            await page.keyboard.press("Enter")
        await asyncio.sleep(_LOOK_S)
        stats = await page.evaluate("vivantStats()")
        at = time.monotonic() - began
        watched.offsets += [(at, offset) for offset in stats["av_offsets_ms"]]
        watched.lost_pct = stats["lost_pct"]
        console.print(f"page  {at:4.0f} s  {stats['fps']} fps, sound {stats['av_offset_ms']:+.0f} ms", end="\r", markup=False)
    watched.seconds = time.monotonic() - began
    total = await page.evaluate("document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames")
    watched.frames = total - counted
    watched.cpu = {name: (spent - before[name]) / watched.seconds for name, spent in processes.cpu_s().items()}
    console.print()
    return watched


async def understood(page: Page, engine: Engine) -> tuple[float, list[str]]:
    """Word error rate of what the page plays against what the persona has said."""
    normalise = EnglishTextNormalizer()
    heard, said = [], []
    for question in _UNDER_LOSS:
        recording = asyncio.create_task(page.evaluate("benchRecord(12000)"))
        await page.locator("#words").fill(question)
        await page.keyboard.press("Enter")
        sound = decoded(base64.b64decode(await recording))
        await hush(page)
        heard.append(await recognise(engine, sound))
        said.append(await page.evaluate(_LAST_SAID))
    return 100 * float(jiwer.wer([normalise(text) for text in said], [normalise(text) for text in heard])), heard


def decoded(webm: bytes) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Sound of a WebM file, float32 at 16 kHz."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=16_000)
    with av.open(io.BytesIO(webm), "r") as container:
        parts = [part.to_ndarray()[0] for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    return np.concatenate(parts).astype(np.float32)


@contextmanager
def loss(percent: float) -> Iterator[None]:
    """Drops a part of all UDP packets on the loopback; needs root."""
    rule = ["INPUT", "-i", "lo", "-p", "udp", "-m", "statistic", "--mode", "random", "--probability", f"{percent / 100:.4f}"]
    subprocess.run(["iptables", "-A", *rule, "-j", "DROP"], check=True)
    try:
        yield
    finally:
        subprocess.run(["iptables", "-D", *rule, "-j", "DROP"], check=True)


async def measure(url: str, address: str, arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Everything; prints the table and returns the last line."""
    results = Results()
    async with vivant.connect(address) as client:
        for _ in range(arguments.rounds):
            await converse(client, questions(), results, console)
    sdk: dict[str, list[float]] = {}
    for answer in results.answers:
        if answer.v2v_ms is not None and not answer.early:
            sdk.setdefault(answer.question, []).append(answer.v2v_ms)
    processes = Processes([url.removeprefix("http://")])
    line: dict[str, Any] = {}
    async with page_of(url) as page:
        line["first_paint_ms"], line["transfer_kb"] = await page.evaluate(_PAINT), await page.evaluate(_TRANSFER)
        answered = await converse_in(page, arguments.rounds, console)
        watched = await watch(page, arguments.seconds, processes, console)
        if arguments.loss:
            engine: Engine = registry.load(registry.find(ENGINES, "whisper", "ASR_ENGINE"), SharedSettings())
            engine.load()
            line["wer_without_loss"], _ = await understood(page, engine)
            with loss(arguments.loss):
                line[f"wer_at_{arguments.loss:.0f}_pct_loss"], heard = await understood(page, engine)
            console.print(*heard, sep="\n", style="dim", markup=False)
            engine.close()
    both = [answer.question for answer in answered if answer.question in sdk]
    offsets = [offset for _, offset in watched.offsets]
    minute = min(60.0, watched.seconds / 3)
    first = [offset for at, offset in watched.offsets if at <= minute]
    last = [offset for at, offset in watched.offsets if at > watched.seconds - minute]
    page_v2v = [answer.v2v_ms for answer in answered if answer.v2v_ms is not None]
    page_p50 = percentile(page_v2v, 50)
    sdk_p50 = percentile([v2v for name in both for v2v in sdk[name]], 50)
    line = {
        "v2v_p50_ms": page_p50,
        "v2v_p95_ms": percentile(page_v2v, 95),
        "sdk_v2v_p50_ms": sdk_p50,
        "over_sdk_ms": page_p50 - sdk_p50 if page_p50 is not None and sdk_p50 is not None else None,
        "fps": round(watched.frames / watched.seconds, 2),
        "lost_pct": round(watched.lost_pct, 3),
        "av_p50_ms": percentile(offsets, 50),
        "av_p95_ms": percentile([abs(offset) for offset in offsets], 95),
        "drift_ms": round(abs(statistics.median(last) - statistics.median(first)), 1) if first and last else None,
        "gateway_core_pct": round(100 * sum(watched.cpu.values()), 1),
        "turns": len(answered),
        "watched_s": round(watched.seconds),
        **{name: round(value, 1) for name, value in line.items()},
    }
    stages = {
        "SDK": [answer.stages for answer in results.answers if answer.question in both and not answer.early],
        "page": [answer.stages for answer in answered],
    }
    console.print(_table(line), _stages(stages, {"SDK": sdk_p50, "page": page_p50}))
    return line


def _table(line: dict[str, Any]) -> Table:
    table = Table(title="in the page")
    for name in ("what", "measured", "target"):
        table.add_column(name, justify="left" if name == "what" else "right")
    for name, value in line.items():
        table.add_row(name, "-" if value is None else str(value), f"<= {TARGETS[name]}" if name in TARGETS else "")
    return table


def _stages(stages: dict[str, list[dict[str, float]]], heard: dict[str, float | None]) -> Table:
    """Where the time went in the two ways, as medians."""
    table = Table(title="from the end of a question, p50 ms")
    table.add_column("stage")
    for way in stages:
        table.add_column(way, justify="right")
    for name in dict.fromkeys(name for each in stages.values() for at in each for name in at):
        row = [percentile([at[name] for at in each if name in at], 50) for each in stages.values()]
        table.add_row(name, *("-" if p50 is None else f"{p50:.0f}" for p50 in row))
    table.add_row("heard", *("-" if heard[way] is None else f"{heard[way]:.0f}" for way in stages), style="bold")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.web", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=2, help="how often all questions are asked in each way (default 2)")
    parser.add_argument("--seconds", type=float, default=600.0, help="how long sound and picture are watched (default 600)")
    parser.add_argument("--loss", type=float, default=0.0, help="drop this percentage of packets, and listen; needs root")
    arguments = parser.parse_args()
    if shutil.which(CHROMIUM) is None:
        raise SystemExit(f"there is no browser {CHROMIUM}; run: sudo deploy/debian.sh test (or set CHROMIUM)")
    console = Console()
    with ExitStack() as stack:
        console.print("Starting a system of its own ...")
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vivant-web-")))
        env = stack.enter_context(on_free_ports(environment() | NOTHING_KEPT))
        system = stack.enter_context(running(env, logs, READY_S))
        url = f"http://localhost:{system.settings['gateway'].port}"
        line = asyncio.run(measure(url, system.address, arguments, console))
    print(json.dumps(line))


if __name__ == "__main__":
    main()
