"""Settings of the llm service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from services.common.settings import EngineSettings, Frozen, Port, default_persona
from services.common.values import like

WebAddress = Annotated[str, like(r"https?://[^\s/]\S*", "expected an address such as http://localhost:8000/v1")]


class LlmSettings(EngineSettings):
    model_config = SettingsConfigDict(env_prefix="LLM_")

    port: Port = 50053
    metrics_port: Port = 51053
    engine: str = "llamacpp"
    """Which language model engine: llamacpp, openai or fake."""
    persona: str = Field(default_factory=default_persona)
    """The persona that is warmed at start and used when a conversation names none, if it is not to be VIVANT_PERSONA."""
    opening: Literal["", "passage", "model"] = ""
    """How a reply begins when memory is sure: in the life story's own words (at once, and right), or as the model puts it.
    Empty: as fits the model, which is "passage" for the small one that comes with Vivant and "model" for all others."""
    who_is_meant: Literal["memory", "model", "off"] = "memory"
    """What is told of whom words are meant for, where several people are there and no name is called: what memory has on them,
    that and the model's opinion, which is believed, or nothing."""
    embeddings_dir: Path | None = None
    """Folder in which the embeddings of life stories are kept. By default they are kept beside each story, in `derived/`, and
    where that cannot be written in `.cache/vivant/embeddings` of the home folder."""
    conversations: Path = Path("~/.local/share/vivant/conversations.sqlite3")
    """The file in which conversations are kept, so that they go on after a restart. Services on one machine may share it; a
    disk of the network is no place for it."""
    conversations_days: int = Field(default=30, ge=0, le=36500)
    """A conversation is deleted so many days after the last word of it. 0: nothing is written to the disk; conversations are
    kept in memory, for an hour."""
    max_reply_tokens: int = Field(default=96, ge=8, le=8192)
    """A reply is at most this long, and with it the reasoning of a model that reasons; a story that was asked for may be three
    times as long."""
    history_words: int = Field(default=240, ge=0, le=4000)
    """How much of the conversation the model sees; the oldest is left out first."""


class LlamacppOptions(Frozen):
    model_config = SettingsConfigDict(env_prefix="LLM_LLAMACPP_")

    model: Path | None = None
    """A GGUF file; by default Qwen2.5-Coder-0.5B-Instruct from the models folder."""
    model_name: str = ""
    """How to call a model of your own in `vivant info`; by default the name of its file."""
    licence: str = "unknown"
    """The licence of a model of your own, shown by `vivant info`."""
    template: Literal["chatml", "llama3", "gemma"] = "chatml"
    """How the model marks the turns of a chat. Qwen and SmolLM: chatml."""
    threads: int = Field(default=2, ge=1)
    """CPU threads."""
    slots: int = Field(default=4, ge=1, le=64)
    """Conversations whose state is kept, and that can be answered at the same time."""
    context_tokens: int = Field(default=8192, ge=2048)
    """Room for the state of all conversations together."""
    temperature: float = Field(default=0.0, ge=0, le=2)
    """0 always says the likeliest; higher is freer and less exact."""
    lookup_tokens: int = Field(default=6, ge=0, le=32)
    """How many tokens are guessed ahead from the prompt, which replies often quote; 0 is off. Changes speed, not words."""
    gpu_layers: int = Field(default=0, ge=-1)
    """Layers of the model that are put on a GPU, with a llama.cpp that can; -1 is all."""


class OpenaiOptions(Frozen):
    model_config = SettingsConfigDict(env_prefix="LLM_OPENAI_")

    base_url: WebAddress = "http://localhost:8000/v1"
    """Address of an OpenAI-compatible server: vLLM, llama.cpp, Ollama or a hosted one."""
    model: str = ""
    """The model's name on that server; empty: the first that it lists."""
    licence: str = "see the server"
    """The licence of that model, shown by `vivant info`."""
    api_key: SecretStr | None = None
    """Sent as a bearer token."""
    temperature: float = Field(default=0.3, ge=0, le=2)
    """0 always says the likeliest; higher is freer and less exact."""
    connect_timeout_s: float = Field(default=2.0, gt=0)
    """How long to wait for a connection."""
    token_timeout_s: float = Field(default=10.0, gt=0)
    """How long to wait for the next token."""
    load_timeout_s: float = Field(default=600.0, gt=0)
    """How long to wait at start for a server that is not there yet, or still loads its model."""
    continues: Literal["auto", "on", "off"] = "auto"
    """Whether the server is told to go on with a reply that memory has begun (continue_final_message). auto: vLLM is told."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """More fields for each request, as JSON. To turn the thinking of a Qwen3 on vLLM or llama.cpp off:
    {"chat_template_kwargs": {"enable_thinking": false}}; of an OpenAI model: {"reasoning_effort": "minimal"}."""
    prefill: bool = True
    """Send the prompt ahead while the user still speaks, for servers with a prefix cache. Off where requests are paid for."""
    connections: int = Field(default=8, ge=1)
    """Requests at once; further ones wait in turn."""


class FakeOptions(Frozen):
    model_config = SettingsConfigDict(env_prefix="LLM_FAKE_")

    replies: tuple[str, ...] = ()
    """What it says, one after the other; empty: it repeats the memories that it is given."""
    weights: tuple[float, ...] = ()
    """How probable it finds the answers to a question with fixed ones; empty: all alike."""
    token_delay_s: float = Field(default=0.0, ge=0)
    """Time between two words."""
