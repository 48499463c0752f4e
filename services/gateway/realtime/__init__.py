"""The OpenAI Realtime protocol, GA and beta, for voice apps that speak it; docs/realtime.md says how to use it."""
