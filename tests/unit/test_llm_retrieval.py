"""Recalling: the right passage, the right person, nothing at all."""

from pathlib import Path

import numpy as np
import pytest

from services.common.settings import SharedSettings
from services.llm.embedding import Embedder
from services.llm.history import Said
from services.llm.mind import answer, context
from services.llm.names import Names
from services.llm.persona import load_persona
from services.llm.retrieval import Hit, Memory
from services.llm.story import Passage
from services.llm.vectors import embed_kept
from tests.llm_parts import PERSONAS, WordEmbedder, pip_mind
from vivant.errors import Unusable


def test_the_passage_that_answers_comes_first(tmp_path: Path) -> None:
    found = pip_mind(tmp_path).recall("Where were you born?")
    assert found.sure
    assert found.hits[0].passage.id == "story#1"


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_damaged_embedding_model_is_named_with_the_command_that_renews_it(tmp_path: Path, name: str) -> None:
    for path in (SharedSettings().models_dir / "minilm-l6-v2").iterdir():
        (tmp_path / path.name).symlink_to(path)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).unlink()
    (tmp_path / name).write_bytes(content[:2000])
    with pytest.raises(Unusable, match="make models") as caught:
        Embedder(tmp_path)
    assert caught.value.reason == "model_broken"
    assert str(tmp_path / name) in caught.value.message


def test_nothing_is_recalled_when_nothing_is_known(tmp_path: Path) -> None:
    found = pip_mind(tmp_path).recall("Which football team won?")
    assert not found.sure
    assert found.hits == ()


def test_a_name_finds_whom_it_belongs_to() -> None:
    names = Names(["My sister Wren keeps bees.", "Grandma Elsa knits.", "Tom is my brother."])
    assert names.related("Where does Wren live?") == "Where does your sister live?"
    assert names.subjects("What did Elsa do?") == names.subjects("What did your grandma do?")
    assert names.subjects("Tom?") == names.subjects("your brother?")


def test_what_is_asked_about_another_is_not_answered_about_oneself(tmp_path: Path) -> None:
    found = pip_mind(tmp_path).recall("Where was your brother born?")
    assert "story#1" not in [hit.passage.id for hit in found.hits]


def test_a_question_about_being_an_ai_is_answered_with_the_truth(tmp_path: Path) -> None:
    found = pip_mind(tmp_path).recall("Hang on, am I talking to a computer?")
    assert found.sure
    assert "AI" in found.hits[0].passage.text


def test_a_short_question_leans_on_what_was_said() -> None:
    history = [Said("Spk1", "Do you have a sister?"), Said("pip", "My sister Wren keeps bees.")]
    assert context("And where does she live?", history) == "Do you have a sister? My sister Wren keeps bees."
    assert context("Where were you born, in what town exactly and in which year?", history) == ""
    assert context("How are you?", history) == ""


def test_what_was_told_just_now_is_put_back(tmp_path: Path) -> None:
    memory = Memory(load_persona(PERSONAS, "pip").passages, WordEmbedder(), tmp_path / "embeddings.npz")
    (fresh, *_) = memory.recall("Where were you born?")
    (told, *_) = memory.recall("Where were you born?", told=f"Oh, that. {fresh.passage.text}")
    assert told.passage == fresh.passage
    assert told.score < fresh.score


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


def test_a_damaged_file_of_embeddings_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "embeddings.npz"
    embed_kept(["one"], WordEmbedder(), path)
    path.write_bytes(path.read_bytes()[:40])
    assert embed_kept(["one"], WordEmbedder(), path).shape == (1, 384)
