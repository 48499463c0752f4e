"""The microphones of a session: recognition and turn-taking of each."""
