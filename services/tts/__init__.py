"""The voice: words in, speech with exact times out."""
