"""The engine `riva`: an NVIDIA Riva server, your own or a hosted one, recognises.

engine.py    what the server has, and its streams     session.py   one stream of ours: one of Riva's from flush to flush
stretch.py   what was understood since the last flush  results.py   Riva's results as words in our samples
"""

from services.asr.engines.riva.engine import RivaEngine

__all__ = ["RivaEngine"]
