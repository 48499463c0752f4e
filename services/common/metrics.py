"""All metrics of all services, declared in one table. Each has the labels `service`, `engine` and `stage`.

A service makes one `Metrics(service, engine)` and touches only names of the table; `SERVED` says which ones it emits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

LABELS: Final = ("service", "engine", "stage")

_LATENCY: Final = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.4, 2.0, 3.0, 5.0, 10.0)


class Metric(NamedTuple):
    name: str
    kind: type[MetricWrapperBase]
    help: str


TABLE: Final = (
    Metric("vivant_active_sessions", Gauge, "Streams open now."),
    Metric("vivant_refused_total", Counter, "Streams refused because the service was full or loading; stage is the reason."),
    Metric("vivant_errors_total", Counter, "Streams ended by an error; stage is the reason."),
    Metric("vivant_first_partial_seconds", Histogram, "From the start of speech to the first partial words."),
    Metric("vivant_final_seconds", Histogram, "From a flush to the final words."),
    Metric("vivant_end_of_turn_seconds", Histogram, "From the end of the user's speech to the decision that the turn is over."),
    Metric("vivant_model_step_seconds", Histogram, "One step of a model that hears along without being waited for."),
    Metric("vivant_model_missed_seconds_total", Counter, "Audio that such a model did not hear, because it was behind."),
    Metric("vivant_first_token_seconds", Histogram, "From the commit of a turn to the first text of the reply."),
    Metric(
        "vivant_prompt_tokens_total", Counter, "Tokens of the prompts of replies; stage is read, or cached for what was not."
    ),
    Metric(
        "vivant_first_audio_seconds",
        Histogram,
        "From the first text, or a speech model's proposal to speak, to the first audio of it.",
    ),
    Metric(
        "vivant_model_events_total",
        Counter,
        "On the way to a speech model: stage is reopened, recycled, refused or unknown.",
    ),
    Metric("vivant_reply_seconds", Histogram, "From the end of the user's speech to a stage of the reply: token, audio, unit."),
    Metric("vivant_interruption_seconds", Histogram, "From the user's speech over the persona to silence."),
    Metric("vivant_frame_seconds", Histogram, "Time to make one unit; stage is render or encode."),
    Metric("vivant_units_total", Counter, "Units: stage is emitted, late, repeated or dropped."),
    Metric("vivant_stale_output_total", Counter, "Output that had to be dropped because its turn was over; stage is where."),
    Metric("vivant_connections_total", Counter, "Connections of the gateway; stage is webrtc, stream, realtime or resumed."),
    Metric("vivant_media_loss_total", Counter, "What a connection did not get through; stage is unit, frame or message."),
    Metric(
        "vivant_ice_restarts_total",
        Counter,
        "ICE restarts; stage is asked, moved, failed, given_up or refused.",
    ),
    Metric("vivant_notices_total", Counter, "Notices sent to clients; stage is the reason."),
    Metric("vivant_lost_recordings_total", Counter, "Recordings of decisions that could not be written to their end."),
)

#: The metrics that each service emits, asserted by a test.
SERVED: Final[dict[str, frozenset[str]]] = {
    "asr": frozenset({"vivant_first_partial_seconds", "vivant_final_seconds"}),
    "turn": frozenset({"vivant_end_of_turn_seconds", "vivant_model_step_seconds", "vivant_model_missed_seconds_total"}),
    "llm": frozenset({"vivant_first_token_seconds", "vivant_prompt_tokens_total", "vivant_stale_output_total"}),
    "tts": frozenset({"vivant_first_audio_seconds"}),
    "speech": frozenset({"vivant_first_audio_seconds", "vivant_stale_output_total", "vivant_model_events_total"}),
    "face": frozenset({"vivant_frame_seconds", "vivant_units_total", "vivant_stale_output_total"}),
    "session": frozenset(
        {
            "vivant_reply_seconds",
            "vivant_end_of_turn_seconds",
            "vivant_interruption_seconds",
            "vivant_units_total",
            "vivant_stale_output_total",
            "vivant_notices_total",
            "vivant_lost_recordings_total",
        }
    ),
    "gateway": frozenset({"vivant_connections_total", "vivant_media_loss_total", "vivant_ice_restarts_total"}),
}
#: Every service emits these.
SERVED_BY_ALL: Final = frozenset({"vivant_active_sessions", "vivant_refused_total", "vivant_errors_total"})


class Metrics:
    """The metrics of one process."""

    def __init__(self, service: str, engine: str, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._service = service
        self._engine = engine
        self._metrics: dict[str, MetricWrapperBase] = {}
        names = SERVED[service] | SERVED_BY_ALL
        for metric in TABLE:
            if metric.name not in names:
                continue
            if metric.kind is Histogram:
                made: MetricWrapperBase = Histogram(metric.name, metric.help, LABELS, buckets=_LATENCY, registry=self.registry)
            else:
                made = metric.kind(metric.name, metric.help, LABELS, registry=self.registry)
            self._metrics[metric.name] = made

    def count(self, name: str, stage: str = "", amount: float = 1) -> None:
        metric = self._labelled(name, stage)
        assert isinstance(metric, Counter), name
        metric.inc(amount)

    def observe(self, name: str, seconds: float, stage: str = "") -> None:
        metric = self._labelled(name, stage)
        assert isinstance(metric, Histogram), name
        metric.observe(max(0.0, seconds))

    @contextmanager
    def active(self) -> Iterator[None]:
        """Counts one open stream for as long as the block runs."""
        gauge = self._labelled("vivant_active_sessions", "")
        assert isinstance(gauge, Gauge)
        gauge.inc()
        try:
            yield
        finally:
            gauge.dec()

    def _labelled(self, name: str, stage: str) -> MetricWrapperBase:
        metric = self._metrics[name]
        labels: Callable[..., MetricWrapperBase] = metric.labels
        return labels(self._service, self._engine, stage)
