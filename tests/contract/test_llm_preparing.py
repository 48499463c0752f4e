"""Personas that are not ready yet, over real gRPC with the real embedding model: nobody waits for somebody else's."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from environment import ROOT
from services.llm.memory.embedding import Embedder
from services.llm.memory.retrieval import texts_of
from tests.harness.data import PERSONAS
from tests.harness.grpc_server import reason
from tests.harness.llm_parts import fake_engine
from tests.harness.llm_service import serving, utterance
from tests.harness.waiting import PATIENCE_S, until
from vivant.llm.v1 import llm_pb2 as pb

JUNE = ROOT / "personas" / "june"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pip, who is small, and nobody else; what cannot be kept beside a story is kept in a home of its own."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    made = tmp_path / "personas"
    shutil.copytree(PERSONAS / "pip", made / "pip", ignore=shutil.ignore_patterns("derived"))
    return made


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text that is embedded, in order."""
    texts, embed = list[str](), Embedder.embed

    def noted(self: Embedder, some: Sequence[str]) -> np.ndarray:
        texts.extend(some)
        return embed(self, some)

    monkeypatch.setattr(Embedder, "embed", noted)
    return texts


def another(folder: Path, name: str, story: str | None = None) -> None:
    """Somebody else: June's long story of 240 passages under another name, or `story`."""
    home = folder / name
    home.mkdir()
    for file in ("persona.toml", "story.md", "consent.toml"):
        text = (JUNE / file).read_text("utf-8")
        home.joinpath(file).write_text(re.sub(r'(?m)^id = "june"$', f'id = "{name}"', text), "utf-8")
    if story is not None:
        (home / "story.md").write_text(story, "utf-8")


def opened(folder: Path, **options: Any) -> AbstractAsyncContextManager[Any]:
    """A stub of the service where Pip is ready and answers from the story."""
    return serving(fake_engine(), folder, **{"capacity": 8, "opening": "passage"} | options)


async def asked(stub: Any, persona: str, question: str) -> str:
    """What it answers in a conversation of its own; raises AioRpcError."""
    requests = (
        pb.GenerateRequest(config=pb.GenerateConfig(persona_id=persona)),
        pb.GenerateRequest(commit=pb.Commit(turn_id=1, utterance=utterance(question))),
        pb.GenerateRequest(finish=pb.Finish()),
    )
    # gRPC writes them: a refusal may come before all are out, and then it is what is raised.
    call = stub.Generate(iter(requests))
    return "".join([message.text.text async for message in call if message.HasField("text")])


async def told(stub: Any, persona: str, question: str, words: str) -> None:
    """Asks until the answer has these words, as somebody does who is told to try again: a busy machine takes its time."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                if words in await asked(stub, persona, question):
                    return
            except grpc.aio.AioRpcError as exc:
                assert reason(exc) == "loading"


async def test_others_answer_while_a_persona_is_prepared_and_who_left_costs_nothing(folder: Path, embedded: list[str]) -> None:
    another(folder, "walt")
    async with opened(folder, linger_s=0.1) as stub:
        held = stub.PreparePersona(pb.PreparePersonaRequest(persona_id="walt"))
        assert (await held.read()).HasField("preparation")
        comers = [asyncio.create_task(asked(stub, "walt", "Where do you live?")) for _ in range(5)]
        await until(lambda: stub.admission.active == 5)
        for comer in comers[3:]:
            comer.cancel()
        for _ in range(3):
            assert "Wren" in await asked(stub, "pip", "Do you have any brothers or sisters?")
        assert stub.personas.activities()[0].startswith("preparing walt, "), "the others have not waited for it"
        info = (await stub.GetInfo(pb.GetInfoRequest())).info
        assert info.ready and info.activities[0].startswith("preparing walt, ")
        refused = await asyncio.gather(*comers, return_exceptions=True)
        for error in refused[:3]:
            assert isinstance(error, grpc.aio.AioRpcError)
            assert (error.code(), reason(error)) == (grpc.StatusCode.UNAVAILABLE, "loading")
            assert re.fullmatch(r"June Merrow is being prepared, \d+% done; try again in a few seconds", error.details() or "")
        held.cancel()
        await until(lambda: not stub.personas.activities() and not stub.admission.active)
        begun = set(embedded)
        assert "Wren" in await asked(stub, "pip", "Do you have any brothers or sisters?")
        await until((folder / "walt" / "derived" / "embeddings.npz").exists)
        story = set(texts_of((await stub.personas.get("walt")).passages))
        assert begun & story and not set(embedded) >= story, "nobody waits, so it has ended before the end"
        # Where it had got to is where the next one begins.
        again = stub.PreparePersona(pb.PreparePersonaRequest(persona_id="walt"))
        while (step := await again.read()).preparation.done == 0:
            pass
        again.cancel()
        assert step.HasField("preparation")
        others = set(texts_of((await stub.personas.get("pip")).passages))
        made = [text for text in embedded if text in story - others]
        assert len(made) == len(set(made)), "no text was embedded twice"


async def test_openings_at_the_same_time_embed_once(folder: Path, embedded: list[str]) -> None:
    another(folder, "cal", "## Home\n\n**Q:** Where do you live?\n\nI live on a boat called Otter.\n")
    async with opened(folder) as stub:
        await asyncio.gather(*(told(stub, "cal", "Where do you live?", "Otter") for _ in range(5)))
        assert embedded.count("Where do you live? I live on a boat called Otter.") == 1


async def test_a_story_that_is_edited_is_taken_up_and_only_what_changed_is_embedded(folder: Path, embedded: list[str]) -> None:
    story = folder / "pip" / "story.md"
    async with opened(folder) as stub:
        call = stub.Generate()
        await call.write(pb.GenerateRequest(config=pb.GenerateConfig(persona_id="pip")))
        await call.initial_metadata()
        before = story.read_text("utf-8")
        story.write_text(before.replace("forty-two hives", "sixty hives"), "utf-8")
        embedded.clear()
        await told(stub, "pip", "Do you have any brothers or sisters?", "sixty hives")
        made = [text for text in embedded if "hives" in text]
        kept = {text for text in texts_of((await stub.personas.get("pip")).passages) if "hives" not in text}
        assert len(made) == 1 and not kept & {text for text in embedded if text != "Do you have any brothers or sisters?"}
        # Who is talking goes on with the persona as it was.
        commit = pb.Commit(turn_id=1, utterance=utterance("Do you have any brothers or sisters?"))
        await call.write(pb.GenerateRequest(commit=commit))
        await call.write(pb.GenerateRequest(finish=pb.Finish()))
        await call.done_writing()
        assert "forty-two hives" in "".join([message.text.text async for message in call if message.HasField("text")])


async def test_the_old_story_is_told_until_the_new_one_is_ready(folder: Path) -> None:
    async with opened(folder, linger_s=0.1) as stub:
        (folder / "pip" / "story.md").write_text((JUNE / "story.md").read_text("utf-8"), "utf-8")
        assert "Wren" in await asked(stub, "pip", "Do you have any brothers or sisters?")
        found = (await stub.GetPersona(pb.GetPersonaRequest(persona_id="pip"))).persona
        assert found.passages > 200 and not found.HasField("preparation")
        assert stub.personas.activities(), "it goes on, though nobody waits: it is there to stay"


async def test_a_folder_that_comes_is_known_and_one_that_goes_is_not(folder: Path) -> None:
    async with opened(folder) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await asked(stub, "cal", "Where do you live?")
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND
        another(folder, "cal", "## Home\n\n**Q:** Where do you live?\n\nI live on a boat called Otter.\n")
        await told(stub, "cal", "Where do you live?", "Otter")
        shutil.rmtree(folder / "cal")
        with pytest.raises(grpc.aio.AioRpcError, match="there are: pip") as caught:
            await asked(stub, "cal", "Where do you live?")
        assert reason(caught.value) == "unknown_persona"
        assert "Wren" in await asked(stub, "pip", "Do you have any brothers or sisters?")


async def test_a_file_that_is_broken_while_it_runs_is_named_with_line_and_field(folder: Path) -> None:
    another(folder, "cal", "## Home\n\n**Q:** Where do you live?\n\nI live on a boat called Otter.\n")
    async with opened(folder) as stub:
        await told(stub, "cal", "Where do you live?", "Otter")
        file = folder / "cal" / "persona.toml"
        whole = file.read_text("utf-8")
        late = whole.replace("[conversation]\n", "[conversation]\nnod_every_s = -1\n")
        says = r"persona 'cal': persona\.toml: line \d+, conversation\.nod_every_s: input should be greater"
        for text, message in ((late, says), (f"pace = {whole}", r"persona\.toml is not valid TOML: .*line 1")):
            file.write_text(text, "utf-8")
            with pytest.raises(grpc.aio.AioRpcError, match=message) as caught:
                await asked(stub, "cal", "Where do you live?")
            assert reason(caught.value) == "persona_broken"
            assert "Wren" in await asked(stub, "pip", "Do you have any brothers or sisters?")
        file.write_text(whole, "utf-8")
        await told(stub, "cal", "Where do you live?", "Otter")


async def test_enrolment_sees_how_far_it_is_and_then_the_persona(folder: Path) -> None:
    another(folder, "cal", "\n\n".join(f"## Year {year}\n\nIn {year} I lived on a boat." for year in range(1900, 1930)))
    async with opened(folder) as stub:
        steps = [step async for step in stub.PreparePersona(pb.PreparePersonaRequest(persona_id="cal"))]
        assert steps[-1].persona.passages == 30
        assert steps[0].HasField("preparation")
        steps = [step async for step in stub.PreparePersona(pb.PreparePersonaRequest(persona_id="cal"))]
        assert [step.WhichOneof("response") for step in steps] == ["persona"], "it is ready already"
        assert not (await stub.GetPersona(pb.GetPersonaRequest(persona_id="cal"))).persona.HasField("preparation")


@pytest.mark.parametrize("elsewhere", [True, False])
async def test_what_cannot_be_kept_beside_the_story_is_kept_elsewhere(
    folder: Path, tmp_path: Path, embedded: list[str], *, elsewhere: bool
) -> None:
    (folder / "pip" / "derived").touch()  # No folder can be made in its place, whoever tries.
    settings: dict[str, Any] = {"embeddings_dir": tmp_path / "kept"} if elsewhere else {}
    place = tmp_path / "kept" if elsewhere else tmp_path / "home" / ".cache" / "vivant" / "embeddings"
    async with opened(folder, **settings):
        assert embedded and [path.name for path in place.iterdir()] == ["pip.npz"]
    embedded.clear()
    async with opened(folder, **settings):
        assert not embedded


async def test_the_others_are_prepared_at_the_start_one_after_the_other(folder: Path) -> None:
    for name in ("ann", "bob", "torn"):
        another(folder, name, "## Home\n\n**Q:** Where do you live?\n\nI live on a boat called Otter.\n")
    (folder / "torn" / "story.md").write_text("")
    async with opened(folder) as stub:
        stub.personas.begin()
        await until(lambda: stub.personas.done("ann") == stub.personas.done("bob") == 1)
        assert stub.personas.done("torn") == 0


async def test_a_fault_in_preparing_one_is_logged_and_the_next_is_prepared(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("ann", "bob"):
        another(folder, name, f"## Home\n\n**Q:** Where do you live?\n\nI live on a boat that {name} has built.\n")
    embed = Embedder.embed

    def broken(self: Embedder, some: Sequence[str]) -> np.ndarray:
        if any("ann has built" in text for text in some):
            raise ZeroDivisionError("a fault of ours")
        return embed(self, some)

    monkeypatch.setattr(Embedder, "embed", broken)
    async with opened(folder) as stub:
        stub.personas.begin()
        await until(lambda: stub.personas.done("bob") == 1)
        assert stub.personas.done("ann") < 1
    assert "a fault of ours" in capsys.readouterr().out
