"""Speech to speech: one model that hears and speaks."""
