"""The engine `xtts`: Coqui XTTS v2 in this process, with the voice of a persona's recordings.

    engine.py     a reply, clause by clause; several replies take turns
    network.py    the model's files, what it learns of a voice, and the sound of a text in chunks
    voices.py     what was learnt of each persona's voice, kept
    clause.py     what is said of a clause, in one call or several
    placing.py    its words, placed in the sound as it comes

It tells no sounds, so a face goes by what is heard.
"""

from services.tts.engines.xtts.engine import XttsEngine

__all__ = ["XttsEngine"]
