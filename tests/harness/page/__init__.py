"""The page in a real Chromium: a gateway that does what a test says, and every state in which the page can be."""
