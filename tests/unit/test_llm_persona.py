"""A persona as its folder has it, and what is said about a folder that is broken."""

import re
import shutil
from pathlib import Path

import pytest

from services.llm.persona.persona import list_ids, load_persona
from services.llm.persona.story import parse_story
from services.llm.reply.clauses import sentences
from tests.harness.data import PERSONAS
from vivant.errors import NotFound, Unusable
from vivant.naming import is_persona


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(PERSONAS / "pip", tmp_path / "pip")
    return tmp_path


def test_a_persona_is_read_whole(folder: Path) -> None:
    persona = load_persona(folder, "pip")
    assert persona.profile.name == "Pip Marlow"
    assert persona.profile.manner == ("You are Pip Marlow, a lighthouse keeper. Speak as I, in one or two short sentences.",)
    assert [passage.id for passage in persona.passages] == [f"story#{number}" for number in range(1, len(persona.passages) + 1)]
    assert persona.passages[0].question == "Where were you born?"
    assert persona.passages[0].sentences[1] == "The midwife came by rowing boat."
    assert not any("preface" in passage.text for passage in persona.passages)


def test_a_long_answer_becomes_several_passages_with_the_same_question() -> None:
    paragraphs = "\n\n".join(f"Sentence one of {number}. Sentence two. Sentence three." for number in range(4))
    passages = parse_story(f"# T\n\n## Work\n**Q:** What do you do?\n\n{paragraphs}\n")
    assert [len(passage.sentences) for passage in passages] == [6, 6]
    assert {passage.question for passage in passages} == {"What do you do?"}
    assert {passage.topic for passage in passages} == {"Work"}


def with_starters(folder: Path, starters: str) -> Path:
    path = folder / "pip" / "persona.toml"
    path.write_text(f"starters = {starters}\n" + path.read_text("utf-8"), "utf-8")
    return folder


def test_questions_to_begin_with_are_the_personas_own(folder: Path) -> None:
    assert load_persona(folder, "pip").profile.starters == ()
    profile = load_persona(with_starters(folder, '[" Where were you born? ", "Was lebst du?"]'), "pip").profile
    assert profile.starters == ("Where were you born?", "Was lebst du?")


@pytest.mark.parametrize(
    ("starters", "says"),
    [
        ('["  "]', "starters.0: string should have at least 1 character"),
        (f'["{"a" * 81}"]', "starters.0: string should have at most 80 characters"),
        (r'["One?\nTwo?"]', "starters.0"),
        ('["1?", "2?", "3?", "4?", "5?", "6?", "7?"]', "starters: tuple should have at most 6 items"),
        ('["Why?", "Why? "]', "starters: value error, the same line stands there twice"),
        ('"Why?"', "starters: input should be a valid tuple"),
        ("[1]", "starters.0: input should be a valid string"),
    ],
)
def test_starters_that_fit_no_button_are_refused(folder: Path, starters: str, says: str) -> None:
    with pytest.raises(Unusable, match="persona 'pip'") as caught:
        load_persona(with_starters(folder, starters), "pip")
    assert says in caught.value.message


def test_june_answers_what_she_is_offered_to_be_asked() -> None:
    june = load_persona(Path("personas"), "june")
    assert len(june.profile.starters) == 4
    asked = {way for passage in june.passages for way in (*sentences(passage.question), *passage.also)}
    assert set(june.profile.starters) <= asked


@pytest.mark.parametrize("gap", ["\n", "\n\n"])
def test_other_ways_to_ask_belong_to_the_answer(gap: str) -> None:
    ways = "**Also:** Which town is yours? I live\nin Rome.\n**Also:** Where's home?"
    story = f"## Home\n\n**Q:** Where do you live?{gap}{ways}\n\nIn Hull.\n\n**Q:** Why?\n\nWell."
    first, second = parse_story(story)
    assert (first.question, first.text) == ("Where do you live?", "In Hull.")
    assert first.also == ("Which town is yours?", "I live in Rome.", "Where's home?")
    assert (second.text, second.also) == ("Well.", ())


def test_an_answer_may_stand_right_below_its_question() -> None:
    first, second = parse_story("## Home\n**Q:** Where?\nIn Hull.\n\n**Q:** Why?\n**Also:** What for?\n**A:** Well.\nSo.\n")
    assert (first.question, first.also, first.text) == ("Where?", (), "In Hull.")
    assert (second.question, second.also, second.text) == ("Why?", ("What for?",), "Well. So.")


def test_a_story_without_questions_works() -> None:
    (passage,) = parse_story("## Youth\n\nI was *young* once.\n\n---\n")
    assert (passage.topic, passage.text) == ("Youth", "I was young once.")


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("persona.toml", None, "persona.toml is missing"),
        ("story.md", None, "story.md is missing"),
        ("consent.toml", None, "consent.toml is missing"),
        ("persona.toml", b"name = ", "not valid TOML"),
        ("persona.toml", b'name = "Pip"', "greeting: field required"),
        ("story.md", b"\xff\xfe\x00", "cannot be read as UTF-8"),
        ("story.md", b"## A\n\nI\x92m old.", "line 3 has the byte 0x92; save the file as UTF-8"),
        ("story.md", "## A\n\nOld.".encode("utf-16-le"), "it has zero bytes, as UTF-16 has"),
        (
            "persona.toml",
            b'\nlanguages = 3\ngreeting = "a"\n[conversation]\npace = 9',
            "line 5, conversation.pace: input should",
        ),
        ("persona.toml", b'name = "a"\n[fallbacks]\nempty = ["b"]', "line 2, fallbacks.unknown: field required"),
        ("story.md", b"# Only a title", "nothing to remember"),
        ("story.md", b"## A\n**Q:** Why?\n\n**Q:** When?\n\nNow.", "'Why?' under 'A' has no answer"),
        ("consent.toml", b"[[", "not valid TOML"),
    ],
)
def test_a_broken_folder_says_which_rule_is_broken(folder: Path, file: str, content: bytes | None, says: str) -> None:
    path = folder / "pip" / file
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with pytest.raises(Unusable, match="persona 'pip'") as caught:
        load_persona(folder, "pip")
    assert says in caught.value.message
    assert caught.value.reason == "persona_broken"


@pytest.mark.parametrize("file", ["persona.toml", "story.md", "consent.toml"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_files_of_any_editor_are_read_alike(folder: Path, file: str, encoding: str, end: str) -> None:
    before = load_persona(folder, "pip")
    path = folder / "pip" / file
    path.write_bytes(path.read_text("utf-8").replace("\n", end).encode(encoding))
    assert load_persona(folder, "pip") == before


@pytest.mark.parametrize("name", ["Anna", "anna.2", "Anna Maria", "ångström", "a", "9", "a_b-c", "x" * 64])
def test_names_of_folders(folder: Path, name: str) -> None:
    (folder / "pip").rename(folder / name)
    toml = folder / name / "persona.toml"
    toml.write_text(re.sub(r"(?m)^id = .*\n", "", toml.read_text("utf-8")), "utf-8")
    assert is_persona(name) and list_ids(folder) == [name]
    assert load_persona(folder, name).id == name


@pytest.mark.parametrize("name", ["_anna", "-anna", "anna.", "anna ", "an,na", "an:na", "x" * 65, "a\nb"])
def test_a_folder_that_cannot_be_named_says_the_rule(folder: Path, name: str) -> None:
    (folder / "pip").rename(folder / name)
    assert not is_persona(name)
    with pytest.raises(Unusable, match="1 to 64 letters, digits") as caught:
        load_persona(folder, name)
    assert caught.value.reason == "persona_broken"


def test_the_id_must_be_that_of_the_folder(folder: Path) -> None:
    (folder / "pip").rename(folder / "pop")
    with pytest.raises(Unusable, match="they must be the same"):
        load_persona(folder, "pop")


@pytest.mark.parametrize("persona_id", ["", "nobody", "../pip", "pip/..", "/etc", "PIP"])
def test_an_unknown_persona_is_not_found_and_no_path_leads_out(folder: Path, persona_id: str) -> None:
    with pytest.raises(NotFound, match="there are: pip"):
        load_persona(folder, persona_id)


def test_only_folders_of_personas_are_listed(folder: Path) -> None:
    (folder / "empty").mkdir()
    (folder / "file.txt").touch()
    assert list_ids(folder) == ["pip"]
    assert list_ids(folder / "nowhere") == []
