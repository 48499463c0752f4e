"""Any server that speaks the OpenAI chat API: vLLM, llama.cpp, Ollama, hosted ones. Streams by server-sent events."""

from services.llm.engines.openai.engine import OpenaiEngine

__all__ = ["OpenaiEngine"]
