"""The engine `realtime` with our own `/v1/realtime` as its server: a real gateway process, scripted engines behind it."""

from __future__ import annotations

from services.common.settings import SharedSettings
from services.speech.engines.realtime import RealtimeEngine
from services.speech.settings import RealtimeOptions
from tests.harness.gateway_process import gateway_process
from tests.harness.realtime_client import REPLY
from tests.harness.scripted_engines import Orchestrator
from tests.harness.speech_talk import serving, silence, talking, tone
from tests.harness.waiting import until
from vivant.speech.v1 import speech_pb2


async def test_a_conversation_with_another_vivant(orchestrator: Orchestrator) -> None:
    async with gateway_process(orchestrator.address) as gateway:
        url = f"ws://127.0.0.1:{gateway.port}/v1/realtime"
        engine = RealtimeEngine(RealtimeOptions(url=url, model="june"), SharedSettings())
        engine.load()
        await engine.connect()
        async with serving(engine) as service:
            async with talking(service) as talk:
                await talk.say(silence(0.2), tone(1.0), silence(2.0), paced=True)
                whole = await talk.until("done")
                assert (whole.turn_id, whole.ending) == (1, speech_pb2.ENDING_COMPLETE)
                assert talk.text(1) == REPLY
                assert talk.samples(1) == whole.samples > 24_000
                # Its clock is that of our microphone: the turn began at 0.2 s, and it was over a while after 1.2 s.
                assert 1.0 <= talk.of("floor", 1)[0].at_sample / 16_000 <= 3.3

                await talk.say(silence(0.4), tone(1.0), silence(1.6), paced=True)
                await talk.until("speech", lambda speech: speech.turn_id == 2 and speech.start_sample >= 9_600)
                await talk.played(2, 9_600)
                await talk.clear(3)
                cut = await talk.until("done")
                assert (cut.turn_id, cut.ending) == (2, speech_pb2.ENDING_CLEARED)
                assert cut.samples == talk.samples(2)
                cleared = len(talk.heard)

                await talk.say(silence(0.6), tone(1.0), silence(2.0), paced=True)
                assert (await talk.until("done")).turn_id == 3
                assert {getattr(each, each.WhichOneof("response")).turn_id for each in talk.heard[cleared:]} == {3}
                await talk.end()
        await engine.disconnect()
    await until(lambda: not orchestrator.admission.active)
