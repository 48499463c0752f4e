"""What users are told when something fails, in one table. Reasons are stable, sentences are for people."""

from __future__ import annotations

from typing import Final

from vivant.common.v1 import common_pb2
from vivant.errors import VivantError
from vivant.face.v1 import face_pb2
from vivant.session.v1 import session_pb2

_LOST: Final = {
    "asr": "I cannot hear you at the moment; please type instead.",
    "turn": "I cannot tell well when you have finished; leave a little pause.",
    "llm": "I cannot think of replies at the moment; it is being restarted.",
    "tts": "My voice is gone for the moment; replies are shown as text.",
    "face": "The picture is gone for the moment; the voice goes on.",
    "speech": "The speech model is gone for the moment; the language model and the voice answer instead.",
}
_BACK: Final = {
    "asr": "I can hear you again.",
    "turn": "Turn-taking works again.",
    "llm": "I can think again.",
    "tts": "My voice is back.",
    "face": "The picture is back.",
    "speech": "The speech model answers again.",
}
_EVENTS: Final = {
    "llm_failed": ("llm", "No reply came; please ask again."),
    "reply_cut_short": ("llm", "The reply broke off; please ask again."),
    "voice_stuck": ("tts", "The reply could not be spoken; it is shown as text."),
}


def lost(ability: str, error: VivantError | None) -> session_pb2.Notice:
    """An ability is gone; the session goes on without it."""
    detail = f" ({error.message})" if error else ""
    return session_pb2.Notice(
        severity=common_pb2.SEVERITY_WARNING,
        reason=f"{ability}_unavailable",
        message=_LOST[ability] + detail,
        ability=ability,
        retryable=error.retryable if error else True,
    )


def back(ability: str) -> session_pb2.Notice:
    """An ability that was lost works again."""
    return session_pb2.Notice(
        severity=common_pb2.SEVERITY_INFO, reason=f"{ability}_restored", message=_BACK[ability], ability=ability
    )


def event(reason: str) -> session_pb2.Notice:
    """Something went wrong once."""
    ability, message = _EVENTS[reason]
    return session_pb2.Notice(
        severity=common_pb2.SEVERITY_WARNING, reason=reason, message=message, ability=ability, retryable=True
    )


def silent(why: str) -> session_pb2.Notice:
    """The speech model is there and says nothing."""
    return session_pb2.Notice(
        severity=common_pb2.SEVERITY_WARNING,
        reason="speech_silent",
        message=f"The speech model gives no reply; the language model and the voice answer until it does again ({why}).",
        ability="speech",
        retryable=True,
    )


def unspoken(script: str) -> session_pb2.Notice:
    """Words in a script that the voice has no sounds for."""
    return session_pb2.Notice(
        severity=common_pb2.SEVERITY_WARNING,
        reason="script_unspoken",
        message=f"The voice cannot speak what is written in {script} characters: it is shown, and a pause stands for it.",
        ability="tts",
    )


def lips_rest(trouble: face_pb2.Trouble) -> session_pb2.Notice:
    """The face is there, and its lips do not move."""
    return session_pb2.Notice(
        severity=common_pb2.SEVERITY_WARNING,
        reason="lips_rest",
        message=f"My lips do not move at the moment; the voice goes on. ({trouble.message})",
        ability="face",
        retryable=trouble.retryable,
    )


def reply_failed(failed_reason: str, message: str, *, retryable: bool) -> session_pb2.Notice:
    """The model has not answered this turn: it will be asked again, the persona apologises, or memory has answered."""
    return session_pb2.Notice(
        severity=common_pb2.SEVERITY_WARNING, reason=failed_reason, message=message, ability="llm", retryable=retryable
    )
