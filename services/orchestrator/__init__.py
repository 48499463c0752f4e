"""The orchestrator: sessions, the dialog machine, and the stream that applications see."""
