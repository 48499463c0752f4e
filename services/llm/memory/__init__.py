"""What the persona remembers: its story, embedded and indexed, and what was said."""
