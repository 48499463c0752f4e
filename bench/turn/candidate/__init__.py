"""Another way to end turns, measured beside the one in use: the words are read by a network, and one rule decides."""
