"""The command line: options, and which function carries them out."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from vivant.cli import screen
from vivant.client import DEFAULT_ADDRESS
from vivant.directory import DEFAULT_ADDRESSES
from vivant.enrolment import DEFAULT_FACE_ADDRESS, DEFAULT_LLM_ADDRESS
from vivant.errors import InvalidRequest, VivantError

app = typer.Typer(
    name="vivant",
    help="Talk to a persona: a person's face, voice and life story.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

#: Standard output on a disk that is full, or on one that fails. Files of our own have errors of their own.
_OUTPUT_FAILS: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

Address = Annotated[
    str, typer.Option("--address", "-a", envvar="VIVANT_ADDRESS", metavar="HOST:PORT", help="Where the system runs.")
]
PersonaName = Annotated[str | None, typer.Option("--persona", "-p", help="Whom to talk to; without it, the server's default.")]
Conversation = Annotated[str | None, typer.Option("--conversation", metavar="ID", help="Go on with an earlier conversation.")]
Wait = Annotated[
    float | None,
    typer.Option(
        "--wait",
        metavar="SECONDS",
        min=0,
        help="Wait so long for the system to be ready, and to be started at all; without it, a minute while services load.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text for people.")]


@app.command()
def ask(
    question: Annotated[Path | None, typer.Argument(help="A recording of a question, in any format.")] = None,
    *,
    text: Annotated[str | None, typer.Option("--text", "-t", help="A typed question instead of a recording.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Record the answer: .mp4, .webm, or .wav for sound alone.")
    ] = None,
    whole: Annotated[bool, typer.Option("--whole", help="Record from the beginning, not from the reply on.")] = False,
    size: Annotated[int, typer.Option("--size", help="Width and height of the picture in pixels.")] = 512,
    persona: PersonaName = None,
    conversation: Conversation = None,
    sources: Annotated[bool, typer.Option("--sources", help="Show what the reply is founded on.")] = False,
    address: Address = DEFAULT_ADDRESS,
    wait: Wait = None,
    as_json: AsJson = False,
) -> None:
    """Ask one question and see the answer.

    A recording is played to the persona as a microphone would, at its own pace, so asking takes as long as saying it.
    """
    from vivant.cli.ask import Question, run_ask
    from vivant.recording import check_path

    if (question is None) == (text is None):
        raise typer.BadParameter("give a recording or --text, one of the two")
    if output is not None:
        try:
            check_path(output, video=output.suffix.lower() != ".wav")
        except InvalidRequest as exc:
            raise typer.BadParameter(exc.message) from exc
    order = Question(
        recording=question,
        text=text or "",
        output=output,
        whole=whole,
        size_px=size,
        persona=persona,
        conversation_id=conversation,
    )
    _run(run_ask(order, address, show_sources=sources, as_json=as_json, wait_s=wait))


@app.command()
def chat(
    persona: PersonaName = None,
    *,
    audio_out: Annotated[Path | None, typer.Option("--audio-out", help="Record the persona's voice as .wav.")] = None,
    mic: Annotated[bool, typer.Option("--mic", help="Speak and listen; needs the package sounddevice.")] = False,
    name: Annotated[str | None, typer.Option("--name", help="What you are called.")] = None,
    conversation: Conversation = None,
    join: Annotated[
        str | None, typer.Option("--join", metavar="ID", help="Enter a conversation that somebody else is having.")
    ] = None,
    address: Address = DEFAULT_ADDRESS,
    wait: Wait = None,
) -> None:
    """Talk in the terminal: type, and read what the persona says as it says it.

    Typing while the persona speaks interrupts it; an empty line only stops it. Ctrl-D ends the conversation.
    """
    from vivant.cli.chat import run_chat

    if audio_out is not None and audio_out.suffix.lower() != ".wav":
        raise typer.BadParameter(f"{audio_out}: --audio-out records sound; name it .wav")
    if join and (persona or conversation):
        raise typer.BadParameter("--join enters a conversation as it is; leave --persona and --conversation out")
    _run(
        run_chat(
            address,
            persona=persona,
            conversation_id=conversation,
            join=join,
            name=name,
            audio_out=audio_out,
            use_microphone=mic,
            wait_s=wait,
        )
    )


@app.command()
def info(
    address: Address = DEFAULT_ADDRESS,
    *,
    asr: Annotated[str, typer.Option(envvar="VIVANT_ASR_ADDRESS", hidden=True)] = DEFAULT_ADDRESSES["asr"],
    turn: Annotated[str, typer.Option(envvar="VIVANT_TURN_ADDRESS", hidden=True)] = DEFAULT_ADDRESSES["turn"],
    llm: Annotated[str, typer.Option(envvar="VIVANT_LLM_ADDRESS", hidden=True)] = DEFAULT_ADDRESSES["llm"],
    tts: Annotated[str, typer.Option(envvar="VIVANT_TTS_ADDRESS", hidden=True)] = DEFAULT_ADDRESSES["tts"],
    face: Annotated[str, typer.Option(envvar="VIVANT_FACE_ADDRESS", hidden=True)] = DEFAULT_ADDRESSES["face"],
    wait: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", min=0, help="Wait so long for the system to be ready.")
    ] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Show what runs: services, engines, models with their licences, personas.

    When the orchestrator does not answer, each service is asked by itself (VIVANT_ASR_ADDRESS and so on) and the status is 1.
    """
    from vivant.cli.info import run_info

    services = {"asr": asr, "turn": turn, "llm": llm, "tts": tts, "face": face}
    _run(run_info(address, services, as_json=as_json, wait_s=wait))


@app.command()
def enroll(
    persona: Annotated[str, typer.Argument(help="The name of the persona's folder.")],
    portrait: Annotated[
        Path | None, typer.Option("--portrait", help="A picture to use; without it, the portrait in the folder.")
    ] = None,
    video: Annotated[
        Path | None, typer.Option("--video", help="A video of the person, sitting still, for engines that paint mouths.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Save a preview as .png.")] = None,
    *,
    face: Annotated[
        str, typer.Option("--face-address", envvar="VIVANT_FACE_ADDRESS", metavar="HOST:PORT")
    ] = DEFAULT_FACE_ADDRESS,
    llm: Annotated[str, typer.Option("--llm-address", envvar="VIVANT_LLM_ADDRESS", metavar="HOST:PORT")] = DEFAULT_LLM_ADDRESS,
    asr: Annotated[str, typer.Option(envvar="VIVANT_ASR_ADDRESS", hidden=True)] = DEFAULT_ADDRESSES["asr"],
    tts: Annotated[str, typer.Option(envvar="VIVANT_TTS_ADDRESS", hidden=True)] = DEFAULT_ADDRESSES["tts"],
) -> None:
    """Check a persona's folder, have its life story learnt, and make its portrait, or a video of it, ready to be animated."""
    from vivant.cli.enroll import run_enroll

    if output is not None and not os.path.isdir(output.parent):  # noqa: PTH112 - False also for what can be no folder
        raise typer.BadParameter(f"{output}: the folder {output.parent} does not exist")
    if portrait is not None and video is not None:
        raise typer.BadParameter("--portrait and --video are two enrolments; give one of them")
    _run(run_enroll(persona, portrait, video, output, {"asr": asr, "llm": llm, "tts": tts, "face": face}))


def _run(command: Coroutine[Any, Any, int]) -> None:
    """Carries out a command; a known error becomes one clear line and status 1."""
    try:
        status = asyncio.run(_stoppable(command))
        if sys.stdout is not None:
            sys.stdout.flush()
    except VivantError as exc:
        screen.failure(exc.message)
        raise typer.Exit(1) from None
    except BrokenPipeError:
        _leave_output()
        raise typer.Exit(1) from None
    except OSError as exc:
        if exc.errno not in _OUTPUT_FAILS:
            raise
        _leave_output()
        screen.failure(f"the output cannot be written: {exc.strerror}")
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except asyncio.CancelledError:
        raise typer.Exit(143) from None
    raise typer.Exit(status)


async def _stoppable(command: Coroutine[Any, Any, int]) -> int:
    """Carries out a command. Told to stop it leaves as after Ctrl-C: no place is taken, a recording is complete or gone."""
    task = asyncio.current_task()
    assert task is not None
    if sys.platform != "win32":
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await command


def _leave_output() -> None:
    """What is still to be written goes nowhere: whoever read it is gone, or there is no room for it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
