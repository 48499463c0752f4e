"""The language model behind a chat server: vLLM on this machine's CPU beside llama.cpp, with the same weights."""
