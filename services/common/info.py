"""What a model service answers to GetInfo."""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf.message import Message

from services.common.audio import pcm_format
from services.common.engine import EngineInfo
from services.common.streams import Admission
from vivant.common.v1 import common_pb2


def service_info(
    engine: EngineInfo,
    admission: Admission,
    capabilities: Message,
    *,
    input_rates_hz: Sequence[int] = (),
    output_rates_hz: Sequence[int] = (),
    output_video: Sequence[common_pb2.VideoFormat] = (),
    activities: Sequence[str] = (),
) -> common_pb2.ServiceInfo:
    """The engine as it describes itself, the places and who has them now; audio is 16-bit mono PCM at each of the rates.

    `capabilities` are those of the service's ability, for example common_pb2.AsrCapabilities.
    """
    info = common_pb2.ServiceInfo(
        service=admission.service,
        engine=engine.name,
        version=engine.version,
        input_audio=map(pcm_format, input_rates_hz),
        output_audio=map(pcm_format, output_rates_hz),
        output_video=output_video,
        languages=engine.languages,
        capacity=admission.capacity,
        active=admission.active,
        ready=admission.ready,
        models=[common_pb2.ModelInfo(name=model.name, licence=model.licence, notice=model.notice) for model in engine.models],
        activities=activities,
    )
    getattr(info, admission.service).CopyFrom(capabilities)
    return info
