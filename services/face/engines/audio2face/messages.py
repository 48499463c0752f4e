"""What is sent to an Audio2Face-3D server: a header, sound, the end of it."""

from __future__ import annotations

from typing import Any, Final

from nvidia_ace.audio_pb2 import AudioHeader
from nvidia_ace.status_pb2 import Status
from nvidia_audio2face_3d.messages_pb2 import AudioWithEmotion, AudioWithEmotionStream, AudioWithEmotionStreamHeader

#: The networks' own rate: what is sent is not converted there, and comes back as it was sent.
RATE_HZ: Final = 16_000
BYTES_PER_SECOND: Final = 2 * RATE_HZ
#: The size of a message that the vendor recommends; 10 s is the most that a server takes.
LARGEST: Final = BYTES_PER_SECOND


def header() -> Any:
    """The first message. How strong and how emotional the face is stays as the server is configured."""
    audio = AudioHeader(
        audio_format=AudioHeader.AUDIO_FORMAT_PCM, channel_count=1, samples_per_second=RATE_HZ, bits_per_sample=16
    )
    return AudioWithEmotionStream(audio_stream_header=AudioWithEmotionStreamHeader(audio_header=audio))


def sound(pcm: bytes) -> list[Any]:
    """16-bit PCM at RATE_HZ, in as many messages as it takes."""
    pieces = (pcm[at : at + LARGEST] for at in range(0, len(pcm), LARGEST))
    return [AudioWithEmotionStream(audio_with_emotion=AudioWithEmotion(audio_buffer=piece)) for piece in pieces]


def end() -> Any:
    """No more sound comes: without it the server keeps back the last moments, for which it wants to hear what follows."""
    return AudioWithEmotionStream(end_of_audio=AudioWithEmotionStream.EndOfAudio())


def trouble(status: Any) -> str | None:
    """What an error among the answers says; None: it is none."""
    return (status.message or "it does not say why") if status.code == Status.ERROR else None
