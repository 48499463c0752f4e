"""Settings of the gateway, prefix `GATEWAY_`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.common.settings import Address, Port, ServiceSettings
from services.common.values import like

Origin = Annotated[str, like(r"\*|https?://[^/\s]+", "expected origins such as https://example.org, without a path, or *")]
StunUrl = Annotated[str, like(r"stuns?:[^/\s]+", "expected addresses such as stun:stun.example.org:3478")]
TurnUrl = Annotated[str, like(r"turns?:[^/\s]+", "expected addresses such as turn:turn.example.org:3478?transport=udp")]


class GatewaySettings(ServiceSettings):
    """Where the door is, and who may come in."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_")

    port: Port = 8080
    """Port of the page and of everything else that is served."""
    metrics_port: Port = 51056
    """Port of /metrics, /healthz and /readyz."""
    capacity: int = Field(default=16, ge=1)
    """Connections served at once, of all kinds; fewer when the services behind have less room. One more is told so."""
    orchestrator_address: Address = "127.0.0.1:50050"
    """host:port of the orchestrator."""
    persona: str = ""
    """Who is talked to when a page does not choose, if it is not to be the orchestrator's default."""
    resume_s: float = Field(default=30.0, ge=0)
    """A conversation waits for so long for a connection that was lost."""
    tls_certificate: Path | None = None
    """PEM file with the certificate chain; with `tls_key` the page is served over https."""
    tls_key: Path | None = None
    """PEM file with the certificate's private key."""
    origins: tuple[Origin, ...] = ()
    """Other sites that may embed the person, as origins (https://example.org); "*" allows all. The gateway's own always may."""
    stun_urls: tuple[StunUrl, ...] = ()
    """STUN servers for connections from other networks, for example stun:stun.example.org:3478."""
    turn_urls: tuple[TurnUrl, ...] = ()
    """TURN servers, for example turn:turn.example.org:3478?transport=udp."""
    turn_username: str = ""
    """User name at the TURN servers."""
    turn_password: str = ""
    """Password at the TURN servers; the page is given it."""
    loopback: bool = True
    """Offer 127.0.0.1 as a way to connect: for a browser on this machine, also when it has no network."""
    video_px: int = Field(default=512, ge=128, le=1024)
    """Edge of the picture, one of the sizes that the face has (portrait: 256, 384, 512, 720)."""
