"""Who speaks, told by voice: a print of each utterance, and the people whom a stream has heard so far."""
