"""The services behind the orchestrator: channels, calls with deadlines, streams that come back."""
