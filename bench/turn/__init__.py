"""When turns are ended: what pauses cost, against how long an end is waited for; and how the engine was trained for it."""
