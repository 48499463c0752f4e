"""The door for people and other software: the page, WebRTC, a WebSocket stream, and the OpenAI Realtime protocol."""
