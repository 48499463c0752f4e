"""The talking head, and the metronome of the output."""
