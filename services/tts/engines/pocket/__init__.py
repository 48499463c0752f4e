"""The engine `pocket`: Kyutai's Pocket TTS in this process, with a persona's own voice or one that comes with it.

    engine.py     a reply clause by clause; the one thread that has the model, and turns for all replies
    model.py      the model: its files found, or refused with what is missing; sound for a text
    voices.py     the voices: made of a persona's recordings, kept, made anew when these change
    placing.py    the words of a clause, placed in its sound while that is being made

It tells no sounds, so a face goes by what is heard.
"""

import os

# The package fetches from a model hub what it is not given as a file. It is given files only; and should it ask the hub all the
# same, the hub's client refuses. That one reads this when it is imported.
os.environ["HF_HUB_OFFLINE"] = "1"

from services.tts.engines.pocket.engine import PocketEngine

__all__ = ["PocketEngine"]
