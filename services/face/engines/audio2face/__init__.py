"""The engine `audio2face`: the portrait engine's face, its mouth moved by an NVIDIA Audio2Face-3D server.

engine.py     the server, met at start, and the contract of the service
mouth.py      the mouth of one face: the sound of a reply goes out, weights come back
stretch.py    one stream of the server's: a stretch of speech from its first sound to its end
echo.py       where in that sound the server's time codes lie, held against the sound that it sends back
track.py      weights by time
shapes.py     the server's blend shapes on the channels of the portrait
messages.py   the vendor's messages
"""

from services.face.engines.audio2face.engine import Audio2FaceEngine

__all__ = ["Audio2FaceEngine"]
