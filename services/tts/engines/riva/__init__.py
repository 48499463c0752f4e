"""The engine `riva`: an NVIDIA Riva server, your own or a hosted one, speaks.

    engine.py        what the server has, one call for each clause
    clause.py        the words of a clause, and what is sent of them
    performance.py   the sound of a clause as it comes, its words placed in it

It tells no sounds, so a face goes by what is heard.
"""

from services.tts.engines.riva.engine import RivaEngine

__all__ = ["RivaEngine"]
