"""The voice on its way out, for whoever has the metronome: what is said in each unit, and what is heard of it."""
