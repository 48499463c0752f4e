"""The persona knows that it was interrupted: it listens, answers, and goes on where it was cut when it is asked to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from services.common.settings import SharedSettings
from services.llm.memory.embedding import Embedder
from services.llm.memory.history import Utterance, as_messages
from services.llm.persona.persona import load_persona
from services.llm.reply.recalling import Recaller, answer
from services.llm.reply.replier import Replier
from services.llm.understanding.cut_short import cut_short, interrupted
from services.llm.understanding.interrupting import asks_to_go_on, without_preface
from services.llm.understanding.names import Names
from services.llm.understanding.pointing import fits, points_back
from tests.harness.llm_parts import fake_engine, pip, replied

QUESTION = Utterance("Ana", "What do you do for a living?")
STEPS = "There are one hundred and twelve steps, and I climb them twice a day."
KNEES = "My knees complain about it."


def cut(heard: str) -> list[Utterance]:
    """A conversation in which the persona was interrupted after these words."""
    return [QUESTION, Utterance("pip", heard, interrupted=True)]


@pytest.fixture
def replier(tmp_path: Path) -> Replier:
    return pip(tmp_path, fake_engine("I keep the lighthouse on Gull Rock."), opening="passage")


# --- what was being told ------------------------------------------------------------------------------------------------


def test_it_is_known_where_a_passage_was_cut(replier: Replier) -> None:
    passages = replier.recaller.persona.passages
    found = cut_short(passages, cut("I keep the lighthouse on Gull Rock. There are one hundred and"), "pip")
    assert found is not None
    assert (found.passage.sentences[0], found.rest) == ("I keep the lighthouse on Gull Rock.", 1)
    found = cut_short(passages, cut("Let me see. I keep the lighthouse on Gull Rock."), "pip")
    assert found is not None and found.rest == 1, (
        "a little word before it does not matter, and it goes on with the next sentence"
    )


def test_what_was_told_to_its_end_is_not_gone_on_with(replier: Replier) -> None:
    passages = replier.recaller.persona.passages
    whole = next(passage for passage in passages if STEPS in passage.sentences)
    assert cut_short(passages, [QUESTION, Utterance("pip", whole.text)], "pip") is None
    assert cut_short(passages, cut(whole.text), "pip") is None
    since = [*cut("I keep the lighthouse on"), Utterance("Ana", "Go on."), Utterance("pip", whole.text)]
    assert cut_short(passages, since, "pip") is None
    assert cut_short(passages, cut("I keep"), "pip") is None, "that may begin anything"
    assert cut_short(passages, [], "pip") is None


def test_only_the_last_words_count_as_interrupted() -> None:
    assert interrupted(cut("I keep the"), "pip")
    assert not interrupted([*cut("I keep the"), Utterance("pip", "Go ahead.")], "pip")
    assert not interrupted([QUESTION], "pip")


# --- what is said to take the floor, and to give it back ----------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["No, wait.", "Stop.", "Hold on a second!", "Wait, wait, wait.", "Excuse me", "Oh, sorry, but wait"]
)
def test_what_only_asks_for_the_floor_says_nothing(text: str) -> None:
    assert without_preface(text) == ""


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("Hold on, where is that?", "where is that?"),
        ("No, wait, I meant your sister.", "I meant your sister."),
        ("Stopping is hard.", "Stopping is hard."),
        ("Wait until tomorrow.", "until tomorrow."),
        ("Nothing.", "Nothing."),
    ],
)
def test_what_is_said_besides_is_kept(text: str, rest: str) -> None:
    assert without_preface(text) == rest


@pytest.mark.parametrize(
    "text", ["Go on.", "Sorry, you were saying?", "Where were we?", "And then what?", "Please continue", "I'm listening."]
)
def test_asking_for_the_rest(text: str) -> None:
    assert asks_to_go_on(text)


def test_asking_for_something_else_is_not_asking_for_the_rest() -> None:
    assert not asks_to_go_on("Where did you go on your holidays when you were as young as I am now?")
    assert not asks_to_go_on("Where were you born?")


# --- what the persona says then -----------------------------------------------------------------------------------------


async def test_no_wait_is_listened_to(replier: Replier) -> None:
    heard = cut("I keep the lighthouse on Gull Rock. There are")
    assert (await replied(replier, "No, wait.", heard))[0] in replier.recaller.persona.profile.fallbacks.yielding
    assert not replier.engine.generated  # type: ignore[attr-defined]


async def test_no_is_an_answer_when_nothing_was_interrupted(replier: Replier) -> None:
    told = [QUESTION, Utterance("pip", "I keep the lighthouse on Gull Rock.")]
    assert (await replied(replier, "No, wait.", told))[0] not in replier.recaller.persona.profile.fallbacks.yielding


async def test_it_goes_on_where_it_was_cut(replier: Replier) -> None:
    said, _ = await replied(replier, "Sorry, go on.", cut("I keep the lighthouse on Gull Rock. There are one hundred"))
    assert said.startswith(STEPS)
    assert KNEES in said
    assert "I keep the lighthouse" not in said


async def test_it_goes_on_after_it_has_listened(replier: Replier) -> None:
    history = [
        *cut("I keep the lighthouse on Gull Rock."),
        Utterance("Ana", "No, wait."),
        Utterance("pip", "Go ahead."),
    ]
    assert (await replied(replier, "No, go on.", history))[0].startswith(STEPS)


async def test_a_question_about_what_was_told_does_not_begin_it_again(replier: Replier) -> None:
    heard = cut("I keep the lighthouse on Gull Rock. There are one")
    said, _ = await replied(replier, "Hold on, do you climb one hundred and twelve steps for a living?", heard)
    assert said == STEPS


async def test_something_else_is_answered_as_ever(replier: Replier) -> None:
    said, _ = await replied(replier, "Wait, where were you born?", cut("I keep the lighthouse on Gull Rock. There are"))
    assert said.startswith("I was born on Gull Rock")


async def test_without_anything_to_go_on_with_the_question_is_answered(replier: Replier) -> None:
    assert "one hundred" not in (await replied(replier, "Go on."))[0]


# --- a short question about what was just told, on June's own story ------------------------------------------------------


@pytest.fixture(scope="module")
def june(tmp_path_factory: pytest.TempPathFactory) -> Recaller:
    """June, with the real embeddings of a part of her story: where she was born, her family, the piano, the stage, the shop."""
    whole = load_persona(SharedSettings().personas_dir, "june")
    some = replace(whole, passages=tuple(whole.passages[place] for place in (*range(2, 7), 11, 15, *range(18, 48))))
    embedder = Embedder(SharedSettings().models_dir / "minilm-l6-v2")
    return Recaller(some, embedder, tmp_path_factory.mktemp("june") / "embeddings.npz")


def said_then(june: Recaller, heard: str, question: str) -> str:
    """What memory says to a question over a story that was heard so far."""
    passage = next(passage for passage in june.persona.passages if passage.text.startswith(heard))
    history = [Utterance("Ana", passage.question), Utterance("june", heard, interrupted=True)]
    found = june.recall(question, history)
    assert found.sure
    return " ".join(found.part or answer(found.hits[0], 60))


WHERE_FROM = "My grandfather Arvo hauled the piano across the frozen bay in"
FROZE = "I froze on stage when I was"


@pytest.mark.parametrize(
    ("heard", "question", "answered"),
    [
        ("I grew up in a white farmhouse on Quarry", "Hold on, where is that?", "It's two miles outside Tansy Harbor"),
        (WHERE_FROM, "Wait, where did it come from?", "It came out of a hotel"),
        (FROZE, "Hold on, where was that?", "in the spring of two thousand nine"),
        (FROZE, "Hold on, when was that?", "in the spring of two thousand nine"),
        ("Amos Pruitt taught me to tune, in his shop in Chicago.", "Wait, how old is he now?", "He's ninety-one now"),
        ("My sister Bea is a veterinarian in Green Bay,", "Sorry, is she married?", "married to a man named Marcus"),
        ("We had a goose named Harold when I was a kid.", "Wait, what did he bite?", "Harold bit the mailman"),
    ],
)
def test_a_short_question_is_about_what_was_just_told(june: Recaller, heard: str, question: str, answered: str) -> None:
    assert answered in said_then(june, heard, question)


def test_every_passage_is_asked_about_by_where_is_that(june: Recaller) -> None:
    for passage in june.persona.passages:
        heard = " ".join(passage.text.split()[: len(passage.text.split()) // 2])
        assert said_then(june, heard, "Hold on, where is that?") in passage.text


@pytest.mark.parametrize(
    ("heard", "question", "answered"),
    [
        (
            "My grandmother Elsa called me Junebug, and nobody else is allowed. My brother",
            "How old is he?",
            "Cal is thirty-nine",
        ),
        ("I'm an aunt to twin boys, Otto and Finn. They're my sister", "Wait, how old is she?", "She's thirty-two"),
        ("I grew up in a white farmhouse on Quarry", "Hold on, how old are you?", "I'm thirty-six"),
    ],
)
def test_and_about_somebody_else_when_that_is_who_is_meant(june: Recaller, heard: str, question: str, answered: str) -> None:
    assert answered in said_then(june, heard, question)


def test_the_same_question_is_free_when_nothing_was_interrupted(june: Recaller) -> None:
    heard = " ".join(june.persona.passages[5].sentences)
    history = [Utterance("Ana", "Where did you grow up?"), Utterance("june", heard)]
    assert not june.recall("Where is that?", history).part


def test_whom_he_and_she_stand_for() -> None:
    names = Names(["my brother Cal, my sister Bea, my grandmother Elsa, my goose Harold"], ["goose"])
    assert names.meant("How old is he?", "Elsa scolded my brother Cal") == "How old is your brother?"
    assert names.meant("What's her name?", "Elsa scolded my brother Cal") == "What's your grandmother's name?"
    assert names.meant("She's how old?", "Bea came") == "your sister is how old?"
    assert names.meant("Did you like her?", "Bea came") == "Did you like your sister?"
    assert names.meant("How old is he?", "Bea's brother-in-law's boat") == "How old is he?"
    assert names.meant("How old was he?", "We had a goose named Harold") == "How old was he?"
    assert names.meant("Was she angry?", "I sawed up my grandmother's piano stool") == "Was she angry?"


@pytest.mark.parametrize(
    ("question", "sentence", "has_it"),
    [
        ("Where is that?", "It's two miles outside Tansy Harbor.", True),
        ("Where is that?", "I still go on Sundays.", False),
        ("When was that?", "It was the fall after I froze.", True),
        ("When was that?", "My hands just stopped.", False),
        ("How many is that?", "I've got two hundred and twelve of them.", True),
        ("Who was that?", "She's married to a man named Marcus.", True),
        ("Who was that?", "Nobody had taught me how to stop.", False),
        ("Why is that?", "I came home because Amos sold the shop.", True),
        ("Is that so?", "It's two miles outside Tansy Harbor.", False),
    ],
)
def test_a_sentence_has_what_is_asked_for(question: str, sentence: str, has_it: bool) -> None:
    assert fits(question, sentence) is has_it


def test_which_questions_point_back() -> None:
    assert points_back("Where's that?")
    assert points_back("How old is she?")
    assert not points_back("Where were you born?")
    assert not points_back("What did you do on the day after that goose had bitten the minister?")


# --- what the model reads -----------------------------------------------------------------------------------------------


def test_the_model_reads_who_cut_in_when_there_are_several() -> None:
    history = [QUESTION, Utterance("pip", "I keep the", interrupted=True, interrupted_by="Bob"), Utterance("Bob", "Wait!")]
    assert as_messages(history, "pip")[1].content == "I keep the ... (Bob cut in)"
    alone = [QUESTION, Utterance("pip", "I keep the", interrupted=True, interrupted_by="Ana"), Utterance("Ana", "Wait!")]
    assert as_messages(alone, "pip")[1].content == "I keep the ..."
