"""The persona: what it is, what it remembers, and what it says."""
