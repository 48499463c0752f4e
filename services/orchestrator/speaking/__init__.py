"""The voice of a session on its way out: clauses to sound, sound to units, units to the client."""
