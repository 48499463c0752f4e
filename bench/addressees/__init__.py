"""Who is meant in made conversations of several people with a persona: the scorer of the dialog manager, and its training."""
