"""Who is offered, who is there by default and how many places there are: the real orchestrator, the real portraits' rules."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from services.common.settings import SharedSettings
from services.common.streams import rpc
from services.face.engines.portrait.engine import PortraitEngine
from services.face.enrolment.enroller import Enroller
from services.face.enrolment.finder import Finder
from services.face.server import FaceServicer
from services.face.settings import PortraitOptions
from services.gateway.fitting import SettingsWatch
from services.orchestrator.links import clients
from services.orchestrator.links.clients import Peers
from services.orchestrator.settings import OrchestratorSettings
from tests.harness.gateway_door import Door, gateway_to
from tests.harness.grpc_server import admission_of, listening
from tests.harness.realtime_client import open_socket, read_until
from tests.harness.scripted_engines import addresses, orchestrating
from tests.harness.scripted_session import NoMetrics
from tests.harness.waiting import PATIENCE_S, until
from vivant.common.v1 import common_pb2
from vivant.errors import Full, NotFound
from vivant.face.v1 import face_pb2_grpc
from vivant.llm.v1 import llm_pb2, llm_pb2_grpc
from vivant.persona.v1 import persona_pb2

JUNE = Path("personas/june")
#: In the order of the alphabet; June, who ships, is none of the first.
EVERYBODY = ("ada", "bert", "cleo", "dora", "emil", "june", "zoe")
LLM_CAPACITY = 3


def persona(id_: str) -> persona_pb2.Persona:
    return persona_pb2.Persona(card=persona_pb2.Card(id=id_, name=id_.title()))


class Llm(llm_pb2_grpc.LlmServiceServicer):
    """Knows who there is."""

    metrics = NoMetrics()
    ids: tuple[str, ...] = EVERYBODY

    @rpc
    async def GetInfo(self, request: Any, context: Any) -> llm_pb2.GetInfoResponse:  # noqa: N802 - the contract's name
        info = common_pb2.ServiceInfo(service="llm", engine="scripted", capacity=LLM_CAPACITY, ready=True)
        info.llm.SetInParent()
        return llm_pb2.GetInfoResponse(info=info)

    @rpc
    async def ListPersonas(self, request: Any, context: Any) -> llm_pb2.ListPersonasResponse:  # noqa: N802
        return llm_pb2.ListPersonasResponse(personas=map(persona, self.ids))

    @rpc
    async def GetPersona(self, request: Any, context: Any) -> llm_pb2.GetPersonaResponse:  # noqa: N802
        if request.persona_id not in self.ids:
            raise NotFound(
                f"there is no persona {request.persona_id!r}; there are: {', '.join(self.ids)}", reason="unknown_persona"
            )
        return llm_pb2.GetPersonaResponse(persona=persona(request.persona_id))

    @rpc
    async def Generate(self, request_iterator: Any, context: Any) -> None:  # type: ignore[override]  # noqa: N802
        """Nobody asks it anything here."""
        await context.read()
        await asyncio.Event().wait()


@dataclass
class House:
    """The orchestrator, with an llm and a face and nothing else."""

    address: str
    llm: Llm
    peers: Peers


@pytest.fixture(autouse=True)
def away(monkeypatch: pytest.MonkeyPatch) -> None:
    """The services that are not there are missing, and not taken to be starting."""
    monkeypatch.setattr(clients, "STARTING_S", 0.0)


@pytest.fixture
def personas(tmp_path: Path) -> Path:
    """Everybody's folder: who has a portrait has June's."""
    for each in EVERYBODY:
        home = tmp_path / each
        home.mkdir()
        shutil.copy(JUNE / "consent.toml", home)
        shutil.copy(JUNE / "portrait.png", home)
        shutil.copytree(JUNE / "derived", home / "derived")
    (tmp_path / "ada" / "portrait.png").unlink()
    (tmp_path / "bert" / "consent.toml").write_text('[[consent]]\nwhat = "voice"\n')
    (tmp_path / "cleo" / "derived" / "landmarks.json").unlink()
    (tmp_path / "dora" / "consent.toml").write_text('[[consent]]\nwhat = "portrait"\nwithdrawn = 2026-01-01\n')
    (tmp_path / "emil" / "derived" / "landmarks.json").write_text("{")
    return tmp_path


@asynccontextmanager
async def house(personas: Path, **settings: Any) -> AsyncIterator[House]:
    llm = Llm()
    admission, metrics = admission_of("face", "portrait", 4)
    engine = PortraitEngine(PortraitOptions(), SharedSettings(personas_dir=personas))
    face = FaceServicer(engine, Enroller(engine, Finder(Path("none"), 1), personas), admission, metrics)

    def add_to(server: grpc.aio.Server) -> None:
        llm_pb2_grpc.add_LlmServiceServicer_to_server(llm, server)
        face_pb2_grpc.add_FaceServiceServicer_to_server(face, server)

    async with listening(add_to) as address:
        async with orchestrating(OrchestratorSettings(**{"capacity": 8, **addresses(address), **settings})) as made:
            yield House(made.address, llm, made.peers)
            await until(lambda: not made.admission.active)


async def info(door: Door) -> dict[str, Any]:
    async with door.http.get(f"{door.url}/api/info") as response:
        told: dict[str, Any] = await response.json()
    return told


@pytest.mark.parametrize(
    ("orchestrator", "gateway", "default"),
    [("june", "", "june"), ("zoe", "", "zoe"), ("june", "zoe", "zoe"), ("zoe", "ada", "ada")],
)
async def test_the_default_is_the_one_that_is_set_and_comes_first(
    personas: Path, orchestrator: str, gateway: str, default: str
) -> None:
    async with house(personas, persona=orchestrator) as system, gateway_to(system.address, persona=gateway) as door:
        told = await info(door)
        assert told["persona"] == default
        assert [each["id"] for each in told["personas"] if each["default"]] == [default]
        others = [each for each in ("ada", "june", "zoe") if each != default]
        assert [each["id"] for each in told["personas"]] == [default, *others]
        # The door for voice apps means the same one, also when they name a model of somebody else's.
        async with door.http.ws_connect(f"{door.url}/v1/realtime?model=gpt-realtime") as socket:
            created = await socket.receive_json()
            assert (created["type"], created["session"]["vivant"]["persona"]) == ("session.created", default)


async def test_without_a_setting_the_default_is_the_same_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    from services.llm.settings import LlmSettings

    assert LlmSettings().persona == OrchestratorSettings().persona == PortraitOptions().default_persona == "june"
    monkeypatch.setenv("VIVANT_PERSONA", "zoe")
    assert LlmSettings().persona == OrchestratorSettings().persona == PortraitOptions().default_persona == "zoe"
    monkeypatch.setenv("ORCHESTRATOR_PERSONA", "ada")
    assert OrchestratorSettings().persona == "ada"


async def test_a_refused_portrait_is_not_offered_and_a_voice_without_one_says_so(personas: Path) -> None:
    async with house(personas) as system, gateway_to(system.address) as door:
        told = await info(door)
        portraits = {each["id"]: each["portrait"] for each in told["personas"]}
        assert portraits == {"june": "/api/personas/june/portrait", "ada": None, "zoe": "/api/personas/zoe/portrait"}
        assert {each["id"]: each["reason"] for each in told["refused"]} == {
            "bert": "no_consent", "cleo": "not_enrolled", "dora": "no_consent", "emil": "portrait_damaged"
        }  # fmt: skip
        assert all(each["message"] for each in told["refused"])
        # What is mended is offered at once.
        shutil.copy(JUNE / "consent.toml", personas / "bert")
        assert "bert" in [each["id"] for each in (await info(door))["personas"]]
        # What is withdrawn is not, and is not shown either.
        (personas / "zoe" / "consent.toml").unlink()
        assert "zoe" not in [each["id"] for each in (await info(door))["personas"]]
        async with door.http.get(f"{door.url}/api/personas/zoe/portrait") as response:
            assert (response.status, (await response.json())["error"]["reason"]) == (409, "no_consent")
            assert response.headers["Cache-Control"] == "no-store"
        async with door.http.get(f"{door.url}/api/personas/nobody/portrait") as response:
            assert (response.status, (await response.json())["error"]["reason"]) == (404, "unknown_persona")


async def test_when_the_default_is_refused_the_first_who_is_offered_is_there(personas: Path) -> None:
    async with house(personas, persona="bert") as system, gateway_to(system.address) as door:
        told = await info(door)
        assert told["persona"] == "ada"
        assert told["personas"][0]["default"] is True


async def test_the_places_that_are_told_are_those_that_there_are(personas: Path) -> None:
    async with house(personas) as system, gateway_to(system.address, capacity=16) as door, AsyncExitStack() as talks:
        assert (await info(door))["limits"]["connections"] == LLM_CAPACITY
        client = door.gateway.client
        assert (await client.info()).orchestrator.capacity == LLM_CAPACITY
        for _ in range(LLM_CAPACITY):
            await talks.enter_async_context(client.converse())
        with pytest.raises(Full, match=f"serves {LLM_CAPACITY} streams already"):
            await talks.enter_async_context(client.converse())
        async with open_socket(door) as socket:
            [error] = await read_until(socket, "error")
            assert error["error"]["code"] == "full"
            assert f" {LLM_CAPACITY} " in error["error"]["message"]
    async with house(personas) as system, gateway_to(system.address, capacity=2) as door:
        assert (await info(door))["limits"]["connections"] == 2


async def test_a_default_that_is_nobody_is_told_at_start(personas: Path) -> None:
    async with house(personas, persona="nobody") as system, gateway_to(system.address, persona="yves") as door:
        [problem] = [each for each in system.peers.problems if "ORCHESTRATOR_PERSONA" in each] or [""]
        # The others are missing here, and are told first.
        assert problem == ""
        assert "there is no persona 'nobody'" in (await system.peers._nobody_there())[0]
        watch = SettingsWatch(door.gateway.client, door.gateway.settings)
        watching = asyncio.create_task(watch.run())
        await until(lambda: watch.problems)
        [problem] = watch.problems
        assert problem.startswith("GATEWAY_PERSONA is 'yves', and there is no such persona")
        system.llm.ids = (*EVERYBODY, "yves")
        await asyncio.wait_for(watching, PATIENCE_S)
        assert not watch.problems


async def test_a_size_that_the_face_does_not_have_is_told_at_start(personas: Path) -> None:
    async with house(personas) as system, gateway_to(system.address, video_px=700) as door:
        watch = SettingsWatch(door.gateway.client, door.gateway.settings)
        watching = asyncio.create_task(watch.run())
        await until(lambda: watch.problems)
        watching.cancel()
        [problem] = watch.problems
        assert problem.startswith(
            "GATEWAY_VIDEO_PX is 700, and the face (FACE_ENGINE 'portrait') shows vp8 pictures of 256, 384"
        )
    async with house(personas) as system, gateway_to(system.address, video_px=720) as door:
        watch = SettingsWatch(door.gateway.client, door.gateway.settings)
        await asyncio.wait_for(watch.run(), PATIENCE_S)
        assert not watch.problems


async def test_a_portrait_is_sent_once_and_never_an_old_one(door: Door) -> None:
    url = f"{door.url}/api/personas/june/portrait"
    async with door.http.get(url) as response:
        assert (response.status, response.headers["Cache-Control"]) == (200, "no-cache")
        tag = response.headers["ETag"]
    for known, status in ((tag, 304), ('"another"', 200), ("*", 304)):
        async with door.http.get(url, headers={"If-None-Match": known}) as response:
            assert response.status == status
