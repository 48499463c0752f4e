"""Any server that speaks the OpenAI Realtime protocol: OpenAI's, vLLM-Omni's for models that talk while they listen, ours."""

from services.speech.engines.realtime.engine import RealtimeEngine

__all__ = ["RealtimeEngine"]
