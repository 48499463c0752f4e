"""What client and persona have agreed on: what the session is set to, in which spelling, and the coding that follows."""

from __future__ import annotations

from typing import Any

import vivant
from services.gateway.realtime.audio import Decoder, Encoder
from services.gateway.realtime.beta import beta_complaint, is_beta, to_ga_session
from services.gateway.realtime.config import Config, ignored_of, modality
from services.gateway.realtime.events import ResponseOptions
from services.gateway.realtime.items import new_id
from services.gateway.realtime.reply import Manner
from services.gateway.realtime.shown import shown_session
from services.gateway.realtime.wrong import ClientError


class Terms:
    """Of one Realtime session."""

    def __init__(self, asked_model: str, *, beta: bool) -> None:
        self.id = new_id("sess")
        self.beta = beta
        self.config = Config()
        self.decoder = Decoder(self.config.input_format)
        self.encoder = Encoder(self.config.output_format)
        self.ready: vivant.Ready | None = None
        """Who is there; None before the conversation is open."""
        self._asked_model = asked_model

    @property
    def conversation_id(self) -> str:
        return f"conv_{self.ready.conversation_id}" if self.ready else ""

    def wished(self, wishes: dict[str, Any]) -> tuple[Config, bool]:
        """What would hold with these wishes of a `session.update`, and whether their spelling is beta; raises ClientError."""
        beta = is_beta(wishes)
        if not (self.beta if beta is None else beta):
            return self.config.updated(wishes), False
        try:
            return self.config.updated(to_ga_session(wishes)), True
        except ClientError as exc:
            # Told by the names that the client has used.
            message, param = beta_complaint(exc.message, exc.param or "session")
            raise ClientError(exc.code, message, param=param) from None

    def agree(self, config: Config, *, beta: bool) -> None:
        """This holds from now on."""
        if config.input_format != self.config.input_format:
            self.decoder = Decoder(config.input_format)
        if config.output_format != self.config.output_format:
            self.encoder = Encoder(config.output_format)
        self.beta, self.config = beta, config

    def encode_anew(self) -> None:
        """Another reply begins: nothing of the sound of the one before is carried into it."""
        self.encoder = Encoder(self.config.output_format)

    def decoded(self, data: bytes) -> bytes:
        """Sound of the client as PCM at 24 kHz; raises ClientError."""
        if self.config.input_format == "audio/pcm" and len(data) % 2:
            raise ClientError(
                "invalid_value", f"`audio` holds {len(data)} bytes; 16-bit sound has an even number.", param="audio"
            )
        return self.decoder.decode(data)

    def manner(self, options: ResponseOptions) -> Manner:
        """How a response with these wishes is given."""
        wished = options.output_modalities or options.modalities
        return Manner(
            self.conversation_id,
            self.ready.persona.id if self.ready else "",
            modality(wished) if wished else self.config.modality,
            self.config.output_format,
            options.metadata,
            ignored_of(options.rest) or None,
        )

    def shown(self) -> dict[str, Any]:
        """The session as the client is shown it."""
        assert self.ready is not None
        return shown_session(self.id, self.ready, self.config, self._asked_model)
