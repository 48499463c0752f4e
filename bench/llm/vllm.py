"""A real vLLM on this machine's CPU, in an environment of its own, with the weights that llama.cpp has by default."""

from __future__ import annotations

import asyncio
import ctypes
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from deploy.addresses import CannotStart, free_port
from environment import ROOT
from services.common.settings import SharedSettings

PYTHON: Final = ROOT / ".venv-vllm" / "bin" / "python"
MODEL: Final = "qwen2.5-coder-0.5b"
FOLDER: Final = ROOT / "out" / "vllm"
LOG: Final = FOLDER / "vllm.log"
#: Most of it is importing torch; twice of what a crowded machine took.
START_TIMEOUT_S: Final = 240.0
_END_TIMEOUT_S: Final = 20.0
_PR_SET_PDEATHSIG: Final = 1
#: One thread, like the other engine of the comparison; no compiling, which takes minutes; nothing from or to elsewhere.
_ENVIRONMENT: Final = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",
    "TORCH_COMPILE_DISABLE": "1",
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    # It can be told to forget all prompts: for the cold ones of the comparison.
    "VLLM_SERVER_DEV_MODE": "1",
}
#: A prompt is kept in whole blocks, and what is over is read again: 32 tokens are the smallest block on a CPU. It is read in
#: steps, and one that is stopped is read on to the end of its step: 64 tokens are 0.15 s of work on one thread.
_ARGUMENTS: Final = (
    *("--dtype", "bfloat16", "--max-model-len", "4096", "--max-num-seqs", "8", "--block-size", "32"),
    *("--enforce-eager", "--enable-prompt-tokens-details", "--max-num-batched-tokens", "64"),
)


@dataclass(frozen=True)
class Counters:
    """What the server has done so far, as its metrics tell."""

    running: float = 0.0
    """Requests that it is working on."""
    written: float = 0.0
    """Tokens of replies."""
    asked: float = 0.0
    """Tokens of prompts, and those of them that were in its cache."""
    cached: float = 0.0


class Vllm:
    """A server that runs."""

    def __init__(self, root: str, session: aiohttp.ClientSession) -> None:
        self.base_url = f"{root}/v1"
        self._root = root
        self._session = session

    async def counters(self) -> Counters:
        async with self._session.get(f"{self._root}/metrics") as response:
            text = await response.text()
        names = ("num_requests_running", "generation_tokens_total", "prefix_cache_queries_total", "prefix_cache_hits_total")
        return Counters(*(sum(map(float, re.findall(rf"^vllm:{name}(?:{{.*}})? (\S+)$", text, re.M))) for name in names))

    async def forget(self) -> None:
        """Empties the cache of prompts."""
        async with self._session.post(f"{self._root}/reset_prefix_cache") as response:
            response.raise_for_status()

    async def ready(self) -> bool:
        try:
            async with self._session.get(f"{self._root}/health") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False


@asynccontextmanager
async def serving(*arguments: str) -> AsyncIterator[Vllm]:
    """Starts vLLM on a free port and ends it, with all processes of its own, however the block is left.

    Its log is `LOG`. `arguments` are further ones of its command line. Raises CannotStart.
    """
    model = await weights()
    with free_port() as port, LOG.open("wb") as log:
        place = ("--host", "127.0.0.1", "--port", str(port), "--model", str(model), "--served-model-name", MODEL)
        process = await asyncio.create_subprocess_exec(
            PYTHON,
            *("-m", "vllm.entrypoints.openai.api_server", *place, *_ARGUMENTS, *arguments),
            env=os.environ | _ENVIRONMENT,
            stdout=log,
            stderr=log,
            # A group of its own: its workers can be ended with it, and Ctrl-C is for us.
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        try:
            async with aiohttp.ClientSession() as session:
                server = Vllm(f"http://127.0.0.1:{port}", session)
                await _until_ready(server, process)
                yield server
        finally:
            await _end(process)


async def weights() -> Path:
    """The folder with the model, made of the GGUF file if it is not there yet. Raises CannotStart."""
    if not PYTHON.exists():
        raise CannotStart("vLLM is not installed; run: make vllm-env")
    source = SharedSettings().models_dir / MODEL / "model.gguf"
    if not source.is_file():
        raise CannotStart(f"there is no language model at {source}; run: make models")
    made = FOLDER / MODEL
    if not made.is_dir():
        unfinished = FOLDER / f"{MODEL}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        process = await asyncio.create_subprocess_exec(PYTHON, Path(__file__).with_name("from_gguf.py"), source, unfinished)
        if await process.wait():
            raise CannotStart(f"{source} could not be converted; what was wrong is above")
        unfinished.rename(made)
    return made


def _end_with_parent() -> None:
    """In the new process: the kernel ends it when its parent is gone, however that went."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


async def _until_ready(server: Vllm, process: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            while not await server.ready():
                if process.returncode is not None:
                    raise CannotStart(f"vLLM ended with status {process.returncode} before it was ready; see {LOG}")
                await asyncio.sleep(0.5)
    except TimeoutError as exc:
        raise CannotStart(f"vLLM was not ready within {START_TIMEOUT_S:.0f} s; see {LOG}") from exc


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _END_TIMEOUT_S)
        except TimeoutError:
            process.kill()
    try:
        # Workers that have outlived it.
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        await process.wait()
