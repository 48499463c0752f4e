"""Somebody says who they are, and is called so."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from services.llm.memory.history import Utterance
from services.llm.persona.persona import Fallbacks
from services.llm.reply.replier import Replier
from services.llm.understanding.introducing import asks_own_name, introduced
from tests.harness.llm_parts import fake_engine, pip, replied

ASKED = (Utterance("pip", "Ahoy, I'm Pip. What should I call you?"),)


@pytest.fixture
def replier(tmp_path: Path) -> Replier:
    return pip(tmp_path, fake_engine("Arr."), opening="passage")


@pytest.mark.parametrize(
    ("text", "name", "rest"),
    [
        ("I'm Abigail Claflin. You can call me Abby.", "Abby", ""),
        ("I'm Abigail Claflin, but please call me Abby, if you like.", "Abby", ""),
        ("You can call me Abby. I'm Abigail Claflin.", "Abby", ""),
        ("Hi, I'm Zoë.", "Zoë", ""),
        ("Hello Pip, nice to meet you. I'm Ian.", "Ian", ""),
        ("My name is ana and I bake bread.", "Ana", "I bake bread."),
        ("my name's øyvind", "Øyvind", ""),
        ("Hi, I'm Jean-Luc, how are you?", "Jean-Luc", "how are you?"),
        ("Where do you live? I'm Abigail Claflin.", "Abigail", "Where do you live?"),
        ("Do you know Maine, I'm Abigail Claflin.", "Abigail", "Do you know Maine"),
        ("Hi, I'm Maya from Ohio.", "Maya", "from Ohio."),
        ("They call me Dr. Who.", None, ""),
        ("They call me Dr. Jones.", "Dr. Jones", ""),
        ("My name is Will.", "Will", ""),
        ("my name is will and i live in ohio", "Will", "i live in ohio"),
        ("my name is grace i'm from ohio", "Grace", "i'm from ohio"),
        ("They call me Will.", "Will", ""),
        ("Hi, I'm Will.", "Will", ""),
        ("I'm Will Smith.", "Will", ""),
        ("The name's Can.", "Can", ""),
        ("I'm called Hope.", "Hope", ""),
        ("You can call me Lucky.", "Lucky", ""),
        ("My name is Pip too.", "Pip", ""),
        ("I'm Mark, and you?", "Mark", "What's your name?"),
        ("I'm Grace, what's your name?", "Grace", "what's your name?"),
    ],
)
def test_a_name_and_what_else_was_said(replier: Replier, text: str, name: str | None, rest: str) -> None:
    found = introduced(text, (), replier.recaller.persona)
    assert (found and (found.name, found.rest)) == (name and (name, rest))


@pytest.mark.parametrize(
    "text",
    [
        "Call me back later.",
        "Call me a cab.",
        "Don't call me Abby.",
        "My name isn't Abby.",
        "My name is not important.",
        "What's my name?",
        "I'm German.",
        "Oh, I'm Irish and my wife is Welsh.",
        "Hi, I'm hungry.",
        "Hi, I'm Pip too.",
        "It's Monday.",
        "This is Abigail Claflin.",
        "Abby.",
        "I'm Welsh to the bone.",
        "I'm hungry, and you?",
        "I will.",
        "I may go.",
        "CALL ME BACK.",
        "call me can you",
        "Call me when you can.",
        "call me I'm home",
        "My name is a secret.",
        "My name will be known.",
        "Will you call me?",
        "",
        "...",
    ],
)
def test_what_gives_no_name(replier: Replier, text: str) -> None:
    assert introduced(text, (), replier.recaller.persona) is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Abby.", "Abby"),
        ("abby", "Abby"),
        ("Just Abby.", "Abby"),
        ("Um, Abby is fine.", "Abby"),
        ("Sure. Abby Claflin.", "Abby"),
        ("It's Abby.", "Abby"),
        ("I'm German.", "German"),
        ("This is Sam, hello.", "Sam"),
        ("Abby, please.", "Abby"),
        ("Will.", "Will"),
        ("will is fine", "Will"),
        ("Can you not?", None),
        ("Do I have to?", None),
        ("Do I?", None),
        ("Whatever.", None),
        ("Whatever you like.", None),
        ("Never mind.", None),
        ("Hello there.", None),
        ("Pip.", None),
        ("I won't say. Ha.", None),
        ("Where do you live?", None),
    ],
)
def test_the_answer_to_what_to_call_somebody(replier: Replier, text: str, name: str | None) -> None:
    found = introduced(text, ASKED, replier.recaller.persona)
    assert (found and found.name) == name


def test_who_is_german_in_the_middle_of_a_talk_is_not_called_so(replier: Replier) -> None:
    since = (Utterance("Ana", "Hello."), Utterance("pip", "I am from Gull Rock."))
    assert introduced("I'm German, and you?", since, replier.recaller.persona) is None
    found = introduced("I'm Mark, and what's your name?", since, replier.recaller.persona)
    assert found and found.name == "Mark"


def test_only_the_last_words_of_the_persona_ask(replier: Replier) -> None:
    since = (*ASKED, Utterance("Ana", "No."), Utterance("pip", "As you like."))
    assert introduced("Abby.", since, replier.recaller.persona) is None


async def test_it_is_taken_up_with_a_smile_and_what_else_was_said_is_answered(replier: Replier) -> None:
    lines = replier.recaller.persona.profile.fallbacks.meeting
    said, cues = await replied(replier, "You can call me Abby.")
    assert said in [line.replace("{name}", "Abby") for line in lines]
    assert cues == ["warm_smile"]
    said, _ = await replied(replier, "Hi, I'm Abby. What do you do for a living?")
    assert said.split(".")[0] in [line.replace("{name}", "Abby").split(".")[0] for line in lines]
    assert said.split(". ", 1)[1].startswith("I keep the lighthouse on Gull Rock.")


async def test_everyone_hears_their_own_name_again(replier: Replier) -> None:
    history = (
        *ASKED,
        Utterance("Ana", "Abby."),
        Utterance("pip", "Good to meet you, Abby."),
        Utterance("Ben", "And I'm Bob Miller."),
    )
    assert asks_own_name("Do you remember my name?") and not asks_own_name("What's your name?")
    assert (await replied(replier, "What's my name?", history))[0] == "You told me you're Abby."
    assert (await replied(replier, "Do you remember my name?", history, "Ben"))[0] == "You told me you're Bob."
    unknown = replier.recaller.persona.profile.fallbacks.unknown
    assert (await replied(replier, "What's my name?", history, "Cy"))[0] in unknown
    assert (await replied(replier, "What's my name?", history, "Cy", named=True))[0] == "You're Cy.", "as their client says"


@pytest.mark.parametrize("line", ["", "Good to meet you.", "Hello. It's {name}, isn't it?"])
def test_a_line_that_does_not_say_the_name_first_is_refused(line: str) -> None:
    with pytest.raises(ValidationError, match=r"the first sentence must contain \{name\}"):
        Fallbacks(unknown=("?",), empty=("?",), trouble=("?",), meeting=(line,))
