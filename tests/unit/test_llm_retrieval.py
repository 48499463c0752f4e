"""Recalling: the right passage, the right person, nothing at all."""

import asyncio
from io import BytesIO
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from services.common.settings import SharedSettings
from services.llm.memory.embedding import Embedder
from services.llm.memory.history import Utterance
from services.llm.memory.retrieval import Hit, Memory
from services.llm.memory.threads import think
from services.llm.memory.vectors import embed_kept
from services.llm.memory.vocabulary import Vocabulary
from services.llm.persona.persona import load_persona
from services.llm.persona.story import Passage
from services.llm.reply.clauses import sentences
from services.llm.reply.recalling import answer, context, glimpse
from services.llm.understanding.names import Names
from tests.harness.data import PERSONAS
from tests.harness.llm_parts import WordEmbedder, pip_recaller
from tests.harness.waiting import PATIENCE_S
from vivant.errors import Unusable


def test_the_passage_that_answers_comes_first(tmp_path: Path) -> None:
    found = pip_recaller(tmp_path).recall("Where were you born?")
    assert found.sure
    assert found.hits[0].passage.id == "story#1"


@pytest.mark.parametrize("name", ["model.onnx", "pieces.npy", "tokenizer.json"])
def test_a_damaged_embedding_model_is_named_with_the_command_that_renews_it(tmp_path: Path, name: str) -> None:
    for path in (SharedSettings().models_dir / "minilm-l6-v2").iterdir():
        (tmp_path / path.name).symlink_to(path)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).unlink()
    (tmp_path / name).write_bytes(content[:2000])
    with pytest.raises(Unusable, match="make models") as caught:
        Embedder(tmp_path)
    assert caught.value.reason == "model_unusable"
    assert str(tmp_path / name) in caught.value.message


def test_embeddings_are_those_of_the_published_model_whatever_is_embedded_beside_them() -> None:
    embedder = Embedder(SharedSettings().models_dir / "minilm-l6-v2")
    born, told = embedder.embed(["Where were you born?", "My sister Wren keeps bees in Cornwall, and has for years."])
    assert born[:4] == pytest.approx([0.038378, 0.101188, 0.011829, 0.094938], abs=1e-5)
    assert np.linalg.norm(told) == pytest.approx(1)
    np.testing.assert_allclose(embedder.embed(["Where were you born?"])[0], born, atol=1e-5)


def test_nothing_is_recalled_when_nothing_is_known(tmp_path: Path) -> None:
    found = pip_recaller(tmp_path).recall("Which football team won?")
    assert not found.sure
    assert found.hits == ()


def test_a_name_finds_whom_it_belongs_to() -> None:
    names = Names(["My sister Wren keeps bees.", "Grandma Elsa knits.", "Tom is my brother."])
    assert names.related("Where does Wren live?") == "Where does your sister live?"
    assert names.subjects("What did Elsa do?") == names.subjects("What did your grandma do?")
    assert names.subjects("Tom?") == names.subjects("your brother?")


def test_what_is_asked_about_another_is_not_answered_about_oneself(tmp_path: Path) -> None:
    found = pip_recaller(tmp_path).recall("Where was your brother born?")
    assert "story#1" not in [hit.passage.id for hit in found.hits]


def test_a_question_about_being_an_ai_is_answered_with_the_truth(tmp_path: Path) -> None:
    found = pip_recaller(tmp_path).recall("Hang on, am I talking to a computer?")
    assert found.sure
    assert "AI" in found.hits[0].passage.text


def test_a_short_question_leans_on_what_was_said() -> None:
    history = [Utterance("Ana", "Do you have a sister?"), Utterance("pip", "My sister Wren keeps bees.")]
    assert context("And where does she live?", history) == "Do you have a sister? My sister Wren keeps bees."
    assert context("Where were you born, in what town exactly and in which year?", history) == ""
    assert context("How are you?", history) == ""


def test_what_was_told_just_now_is_put_back(tmp_path: Path) -> None:
    memory = Memory(load_persona(PERSONAS, "pip").passages, WordEmbedder(), tmp_path / "embeddings.npz")
    (fresh, *_) = memory.recall("Where were you born?")
    (told, *_) = memory.recall("Where were you born?", told=f"Oh, that. {fresh.passage.text}")
    assert told.passage == fresh.passage
    assert told.score < fresh.score


def remembers(folder: Path, *passages: Passage) -> Memory:
    return Memory(passages, WordEmbedder(), folder / "embeddings.npz")


def passage(question: str, text: str, *also: str) -> Passage:
    return Passage(question, "Topic", question, text, tuple(sentences(text)), also)


def test_a_passage_is_found_by_each_way_to_ask_for_it(tmp_path: Path) -> None:
    memory = remembers(
        tmp_path,
        passage("Where do you live?", "In Hull.", "Which town is yours?"),
        passage("What do you grow?", "Leeks and beans.", "I planted tomatoes."),
    )
    assert memory.recall("Which town is yours, then?")[0].passage.text == "In Hull."
    assert memory.recall("I planted tomatoes yesterday.")[0].passage.text == "Leeks and beans."


def test_what_is_told_is_answered_as_such_and_what_is_asked_is_not(tmp_path: Path) -> None:
    memory = remembers(
        tmp_path, passage("Do you have a garden?", "A small garden."), passage("I have a garden.", "What's in it, then?")
    )
    assert memory.recall("I have a garden.")[0].passage.text == "What's in it, then?"
    assert memory.recall("Do you have a garden?")[0].passage.text == "A small garden."


def test_what_somebody_tells_of_their_sister_is_not_about_the_persons(tmp_path: Path) -> None:
    memory = remembers(
        tmp_path, passage("I visited somebody.", "How lovely."), passage("Who is your sister?", "My sister Wren.")
    )
    assert memory.recall("I visited my sister.")[0].passage.text == "How lovely."
    assert all(hit.score > 0 for hit in memory.recall("Should I visit my sister?"))
    assert not all(hit.score > 0 for hit in memory.recall("Did you visit your sister?"))


def test_the_part_that_can_be_answered_is(tmp_path: Path) -> None:
    memory = remembers(
        tmp_path, passage("Bye.", "Mind the step."), passage("I have to run.", "Goodbye."), passage("Where to?", "Hull.")
    )
    (whole, *_) = memory.recall("I have to run.")
    (part, *_) = memory.recall("Okay, well, the children are waiting for supper, I have to run.")
    assert part.passage.text == "Goodbye."
    assert part.score > whole.score / 2
    assert memory.recall("I was in Leeds. Where to?")[0].passage.text == "Hull."


def test_a_passage_knows_a_question_as_well_as_the_word_it_knows_least() -> None:
    names = Names(["My sister Wren keeps bees."])
    vocabulary = Vocabulary(["My sister keeps bees in Cornwall.", "I like tea.", "It is."], names, WordEmbedder())
    bees, tea, nothing = vocabulary.measure("Where are Wren's bees?")
    assert bees > 0.99 > tea
    assert nothing == 0
    assert vocabulary.measure("Which hospital are your sister's bees in?")[0] < 0.6
    assert not vocabulary.measure("And you?").any()


def test_a_brother_in_law_is_no_brother() -> None:
    names = Names(["Tom is my brother."])
    assert names.subjects("Who is your brother-in-law?") == frozenset()
    assert names.subjects("Who is your sister-in-law's brother?") == names.subjects("Tom?")


def test_a_glimpse_is_the_nearest_sentence_and_those_around_it() -> None:
    texts = ("One two three.", "Four five.", "Six seven eight.", "Nine ten.")
    hit = Hit(Passage("story#1", "", "", " ".join(texts), texts), 1, 1, (0.1, 0.2, 0.9, 0.3))
    assert glimpse(hit, 3) == "Six seven eight."
    assert glimpse(hit, 5) == "Six seven eight. Nine ten."
    assert glimpse(hit, 7) == "Four five. Six seven eight. Nine ten."
    assert glimpse(hit, 1) == "Six seven eight."
    assert glimpse(hit, 100) == " ".join(texts)


def test_an_answer_fits_and_does_not_begin_in_the_middle() -> None:
    texts = ("My sister Wren is older.", "She keeps bees.", "They sting a lot, " + "word " * 20 + "yes.")
    hit = Hit(Passage("story#1", "", "", " ".join(texts), texts), 1, 1, (0.1, 0.9, 0.2))
    assert answer(hit, 12) == ["My sister Wren is older.", "She keeps bees."]
    assert answer(hit, 100) == list(texts)


def test_each_text_is_embedded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "derived" / "embeddings.npz"
    first = embed_kept(["one thing", "another"], WordEmbedder(), path)
    made: list[int] = []
    monkeypatch.setattr(WordEmbedder, "embed", lambda self, texts: made.append(len(texts)) or np.zeros((len(texts), 384)))
    assert np.allclose(embed_kept(["one thing", "another"], WordEmbedder(), path), first, atol=1e-3)
    assert made == []
    embed_kept(["one thing", "changed"], WordEmbedder(), path)
    assert made == [1]


def damaged(whole: bytes) -> list[bytes]:
    """A file cut short anywhere, with bytes changed anywhere, and others in its place."""
    random = np.random.default_rng(3)
    found = [whole[: int(size)] for size in random.integers(0, len(whole), 40)]
    for place in random.integers(0, len(whole), 80):
        found.append(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
    array, others = BytesIO(), BytesIO()
    np.save(array, np.zeros(3))
    np.savez(others, keys=np.array(["a"]), vectors=np.full((1, 7), np.nan))
    return [*found, b"", b"no archive", array.getvalue(), others.getvalue()]


def test_a_damaged_file_of_embeddings_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "embeddings.npz"
    whole = embed_kept(["one", "two"], WordEmbedder(), path)
    for content in damaged(path.read_bytes()):
        path.write_bytes(content)
        assert np.allclose(embed_kept(["one", "two"], WordEmbedder(), path), whole, atol=1e-3)
        assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_a_file_is_whole_or_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "embeddings.npz"
    embed_kept(["one"], WordEmbedder(), path)
    before = path.read_bytes()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        embed_kept(["one", "two"], WordEmbedder(), path)
    assert path.read_bytes() == before


async def test_recall_has_threads_of_its_own(tmp_path: Path) -> None:
    """Work that fills the threads of the event loop keeps nobody from recalling."""
    recaller, free = pip_recaller(tmp_path), Event()
    filling = [asyncio.create_task(asyncio.to_thread(free.wait)) for _ in range(100)]
    try:
        async with asyncio.timeout(PATIENCE_S):
            assert (await think(recaller.recall, "Where were you born?")).sure
    finally:
        free.set()
        await asyncio.gather(*filling)
