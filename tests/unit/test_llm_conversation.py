"""Turns, drafts and history: what is said for which turn, and what is remembered."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.llm.engines.fake import FakeEngine
from services.llm.memory.history import History, Utterance, as_messages
from services.llm.memory.retrieval import Hit
from services.llm.persona.story import Passage
from services.llm.reply.clauses import sentences
from services.llm.reply.conversation import Addressed, Broken, Conversation, Drafted, Finished, Output
from services.llm.reply.recalling import Recollection
from services.llm.reply.replier import Cue, Source, Text
from tests.harness.llm_parts import fake_engine, pip
from vivant.errors import Unavailable

BORN = "Where were you born?"
TOLD = "I had a long day at the bakery."
LISTENING = ("Go on, I'm listening. ", "Tell me a bit more about that. ", "Is that so? Tell me more. ")


class Listener:
    """Collects what a conversation says."""

    def __init__(self) -> None:
        self.said: list[tuple[int, Output]] = []
        self.dropped = 0
        self.tasks: set[asyncio.Task[None]] = set()
        self._came = asyncio.Event()

    async def emit(self, turn_id: int, output: Output) -> None:
        self.said.append((turn_id, output))
        self._came.set()

    def stale(self) -> None:
        self.dropped += 1

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self.tasks.add(task)
        return task

    async def until(self, turn_id: int, kind: type) -> Any:
        """The first output of a kind for a turn."""
        async with asyncio.timeout(5):
            while True:
                for said_in, output in self.said:
                    if said_in == turn_id and isinstance(output, kind):
                        return output
                self._came.clear()
                await self._came.wait()

    def text(self, turn_id: int) -> str:
        return "".join(output.text for said_in, output in self.said if said_in == turn_id and isinstance(output, Text))


@pytest.fixture
def engine() -> FakeEngine:
    return fake_engine()


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
async def conversation(tmp_path: Path, engine: FakeEngine, listener: Listener) -> Any:
    made = Conversation(pip(tmp_path, engine), 0, listener)
    yield made
    await made.close()


def said(text: str, turn_id: int = 1, speaker: str = "Spk1") -> Utterance:
    return Utterance(speaker, text, turn_id=turn_id)


async def test_a_sure_memory_is_told_in_its_own_words(
    conversation: Conversation, listener: Listener, engine: FakeEngine
) -> None:
    await conversation.commit(1, said(BORN))
    await listener.until(1, Finished)
    assert listener.text(1).startswith("I was born on Gull Rock in nineteen forty-one, in a storm.")
    assert (await listener.until(1, Source)).passage.id == "story#1"
    assert engine.generated == []


async def test_a_set_line_rests_on_nothing_whatever_came_to_mind(
    tmp_path: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    replier = pip(tmp_path, fake_engine("My brother Bob lives in Boston."), opening="model")
    born = replier.recaller.recall(BORN)
    assert born.hits
    monkeypatch.setattr(replier.recaller, "recall", lambda *_: replace(born, sure=False))
    conversation = Conversation(replier, 0, listener)
    await conversation.commit(1, said(BORN))
    await listener.until(1, Finished)
    assert listener.text(1) in ("I couldn't tell you that. ", "No idea, I'm afraid. ")
    assert not [output for _, output in listener.said if isinstance(output, Source)]
    await conversation.close()


async def test_what_nobody_could_know_is_declined_without_a_model(
    conversation: Conversation, listener: Listener, engine: FakeEngine
) -> None:
    await conversation.commit(1, said("Which football team won yesterday?"))
    await listener.until(1, Finished)
    assert listener.text(1) in ("I couldn't tell you that. ", "No idea, I'm afraid. ")
    assert engine.generated == []


async def test_empty_words_are_asked_for_again(conversation: Conversation, listener: Listener) -> None:
    await conversation.commit(1, said(" ... "))
    await listener.until(1, Finished)
    assert listener.text(1) == "I didn't catch that. "


async def test_the_model_answers_what_it_is_told_and_is_checked(tmp_path: Path, listener: Listener) -> None:
    engine = fake_engine("That sounds tiring, sit down. My brother Bob lives in Boston. Goodbye.")
    conversation = Conversation(pip(tmp_path, engine, opening="model"), 0, listener)
    await conversation.commit(1, said(TOLD))
    finished = await listener.until(1, Finished)
    assert listener.text(1) == "That sounds tiring, sit down. "
    assert finished.done.corrected
    await conversation.close()


@pytest.mark.parametrize(
    "reply", ["As an AI language model, I cannot feel.", "```print(1)```", "I had a long day.", "A day at the bakery, long."]
)
async def test_what_must_not_be_spoken_is_replaced(tmp_path: Path, listener: Listener, reply: str) -> None:
    conversation = Conversation(pip(tmp_path, fake_engine(reply), opening="model"), 0, listener)
    await conversation.commit(1, said(TOLD))
    await listener.until(1, Finished)
    assert listener.text(1) in LISTENING
    await conversation.close()


@pytest.mark.parametrize("reply", ["That sounds hard. 你先坐下。 Have some tea.", "Садись, отдохни.", "اجلس واسترح."])
async def test_a_clause_in_another_script_is_no_echo(tmp_path: Path, listener: Listener, reply: str) -> None:
    conversation = Conversation(pip(tmp_path, fake_engine(reply), opening="model"), 0, listener)
    await conversation.commit(1, said(TOLD))
    await listener.until(1, Finished)
    assert listener.text(1).strip() == reply
    await conversation.close()


async def test_words_in_another_script_are_no_silence(conversation: Conversation, listener: Listener) -> None:
    await conversation.words(1, "你好吗", "Spk1", draft=True)
    await listener.until(1, Drafted)
    await conversation.commit(1, said("你在哪里出生？"))
    await listener.until(1, Finished)
    assert listener.text(1) != "I didn't catch that. "
    drafts = [output for _, output in listener.said if isinstance(output, Drafted)]
    assert len(drafts) == 1, "other words are no reason to send the draft, and it was replaced"


async def test_a_memory_that_the_model_has_begun_is_not_begun_again(tmp_path: Path, listener: Listener) -> None:
    engine = fake_engine("I was born on Gull Rock in nineteen forty-one, to my uncle Bob in Boston.")
    conversation = Conversation(pip(tmp_path, engine, opening="model"), 0, listener)
    await conversation.commit(1, said(BORN))
    await listener.until(1, Finished)
    assert listener.text(1).startswith("I was born on Gull Rock in nineteen forty-one, in a storm.")
    await conversation.close()


async def test_a_direction_is_a_cue_and_an_emphasis_is_said(tmp_path: Path, listener: Listener) -> None:
    conversation = Conversation(pip(tmp_path, fake_engine("*chuckles* That's *hard* **work**."), opening="model"), 0, listener)
    await conversation.commit(1, said(TOLD))
    await listener.until(1, Finished)
    assert listener.text(1) == "That's hard work."
    assert [output.cue.name for _, output in listener.said if isinstance(output, Cue)] == ["amusement"]
    await conversation.close()


async def test_what_is_told_is_listened_to_at_once(conversation: Conversation, listener: Listener, engine: FakeEngine) -> None:
    await conversation.commit(1, said(TOLD))
    finished = await listener.until(1, Finished)
    assert listener.text(1) in LISTENING
    assert not finished.done.corrected
    assert engine.generated == []


async def test_a_draft_is_kept_back_until_the_same_words_are_committed(conversation: Conversation, listener: Listener) -> None:
    await conversation.words(1, "where were you born", "Spk1", draft=True)
    async with asyncio.timeout(5):
        await asyncio.gather(*listener.tasks)
    # How it begins is told, so that its sound can be prepared; nothing else.
    assert listener.said == [(1, Drafted("I was born on Gull Rock in nineteen forty-one, in a storm. "))]
    await conversation.commit(1, said("Where were you, born?"))
    assert listener.text(1).startswith("I was born on Gull Rock")
    assert (await listener.until(1, Finished)).first_token_us == 0


async def test_a_draft_for_other_words_is_never_heard(conversation: Conversation, listener: Listener) -> None:
    await conversation.words(1, "where were you born", "Spk1", draft=True)
    await conversation.commit(1, said("Do you have a sister?"))
    await listener.until(1, Finished)
    assert listener.text(1).startswith("My sister Wren")
    assert "born" not in listener.text(1)


async def test_a_newer_turn_ends_the_older_one_and_stops_the_model(tmp_path: Path, listener: Listener) -> None:
    engine = fake_engine("Sit down and rest. " * 20, token_delay_s=0.01)
    conversation = Conversation(pip(tmp_path, engine, opening="model"), 0, listener)
    await conversation.commit(1, said(TOLD))
    await listener.until(1, Text)
    await conversation.commit(2, said(BORN, 2))
    assert engine.stopped == 1
    await listener.until(2, Finished)
    turns = [turn_id for turn_id, _ in listener.said]
    assert turns == sorted(turns)
    await conversation.commit(1, said(TOLD))
    await conversation.words(1, "late words", "Spk1", draft=True)
    assert not any(turn_id == 1 for turn_id, _ in listener.said[turns.index(2) :])
    await conversation.close()


async def test_a_cancelled_turn_is_neither_spoken_nor_remembered(tmp_path: Path, listener: Listener) -> None:
    conversation = Conversation(pip(tmp_path, fake_engine("Sit down. " * 50, token_delay_s=0.01), opening="model"), 0, listener)
    await conversation.commit(1, said(TOLD))
    await listener.until(1, Text)
    await conversation.cancel(1)
    spoken = len(listener.said)
    await conversation.commit(1, said(TOLD))
    assert conversation.history == ()
    assert len(listener.said) == spoken
    await conversation.close()


async def test_words_are_read_ahead_with_what_they_recall(tmp_path: Path, engine: FakeEngine, listener: Listener) -> None:
    conversation = Conversation(pip(tmp_path, engine, opening="model"), 3, listener)
    for text in ("where were", "where were you born", "where were you born then"):
        await conversation.words(1, text, "Spk1", draft=False)
        await asyncio.gather(*listener.tasks)
    lane, prompt = engine.prefilled[-1]
    assert lane == 3
    assert prompt.messages[-1].content.startswith("[memories: I was born on Gull Rock")
    assert prompt.messages[-1].content.endswith("] where were you born then")
    assert listener.said == []
    await conversation.close()


async def test_memories_that_still_change_are_not_read_ahead(tmp_path: Path, engine: FakeEngine, listener: Listener) -> None:
    conversation = Conversation(pip(tmp_path, engine, opening="model"), 0, listener)
    for text in ("where were you born", "where were you born and your sister", "do you have a sister or brother"):
        await conversation.words(1, text, "Spk1", draft=False)
        await asyncio.gather(*listener.tasks)
    assert engine.prefilled == []
    await conversation.close()


async def test_the_model_is_given_a_glimpse_of_what_memory_is_not_sure_of(
    tmp_path: Path, engine: FakeEngine, listener: Listener
) -> None:
    replier = pip(tmp_path, engine, opening="model")
    story = " ".join(f"Sentence number {number} of the story goes on for ten words." for number in range(20))
    hit = Hit(Passage("story#1", "", "", story, tuple(sentences(story))), 0.2, 0.5, (*[0.1] * 10, 0.9, *[0.1] * 9))
    recollection = Recollection((hit,))
    await replier.prefill(said("Well?"), (), recollection, 0)
    given = engine.prefilled[-1][1].messages[-1].content
    assert "number 10 of" in given
    assert 30 <= len(given.split()) <= 55
    await replier.prefill(said("Well?"), (), Recollection((hit,), sure=True), 0)
    assert story in engine.prefilled[-1][1].messages[-1].content


async def test_nothing_is_read_ahead_that_memory_answers(
    conversation: Conversation, listener: Listener, engine: FakeEngine
) -> None:
    await conversation.words(1, "where were you born", "Spk1", draft=False)
    await asyncio.gather(*listener.tasks)
    assert engine.prefilled == []


async def test_an_engine_out_of_reach_fails_the_turn_and_not_the_conversation(
    tmp_path: Path, listener: Listener, engine: FakeEngine
) -> None:
    conversation = Conversation(pip(tmp_path, engine, opening="model"), 0, listener)
    engine.fail_with = Unavailable("nobody home", reason="model_unavailable")
    await conversation.words(1, "I had a long", "Spk1", draft=False)
    await conversation.commit(1, said(TOLD))
    broken = await listener.until(1, Broken)
    assert (broken.error.reason, broken.error.retryable) == ("model_unavailable", True)
    engine.fail_with = None
    await conversation.commit(2, said(TOLD, 2))
    await listener.until(2, Finished)
    await conversation.close()


async def test_history_is_what_was_heard(conversation: Conversation, listener: Listener) -> None:
    await conversation.commit(1, said(BORN))
    await listener.until(1, Finished)
    conversation.utterance(Utterance("Spk2", "Pass the salt.", addressee="Spk1"))
    conversation.heard(Utterance("", "I was born on"), 1, interrupted=True)
    assert [(item.speaker, item.text) for item in conversation.history] == [
        ("Spk1", BORN),
        ("pip", "I was born on"),
        ("Spk2", "Pass the salt."),
    ]


async def test_what_is_asked_next_is_understood_from_what_was_said(conversation: Conversation, listener: Listener) -> None:
    await conversation.commit(1, said("Do you have a sister?"))
    await listener.until(1, Finished)
    conversation.heard(Utterance("", "My sister Wren is two years older than me."), 1, interrupted=False)
    await conversation.commit(2, said("And where does she live?", 2))
    await listener.until(2, Finished)
    assert "Cornwall" in listener.text(2)


async def test_what_the_listener_told_is_known_later(conversation: Conversation, listener: Listener) -> None:
    await conversation.commit(1, said("My dog is called Rex. The weather is fine."))
    await listener.until(1, Finished)
    await conversation.commit(2, said("What's my dog called?", 2))
    await listener.until(2, Finished)
    assert listener.text(2) == "You told me your dog is called Rex. "


async def test_whether_the_persona_is_meant_is_told_beside_the_draft_where_it_is_asked(
    conversation: Conversation, listener: Listener
) -> None:
    await conversation.words(1, BORN, "Spk1", draft=True, other="Spk2")
    opinion = await listener.until(1, Addressed)
    assert opinion.text == BORN and 0.5 < opinion.probability < 1
    await conversation.commit(1, said(BORN))
    await listener.until(1, Finished)
    conversation.utterance(Utterance("Spk2", "The bread is burnt.", "Spk1"))
    await conversation.words(2, "Yes, the bread is burnt.", "Spk1", draft=True, other="Spk2")
    assert (await listener.until(2, Addressed)).probability < 0.25


async def test_who_is_alone_is_not_wondered_about(conversation: Conversation, listener: Listener) -> None:
    await conversation.words(1, BORN, "Spk1", draft=True)
    await listener.until(1, Drafted)
    assert not [task for task in listener.tasks if task.get_name().startswith("judge")]


async def test_the_model_is_asked_after_memory_and_its_word_comes_last(tmp_path: Path, listener: Listener) -> None:
    engine = fake_engine(weights=(0.1, 0.7))
    conversation = Conversation(pip(tmp_path, engine, who_is_meant="model"), 0, listener)
    conversation.utterance(Utterance("Spk2", "I like the sea.", "Spk1"))
    await conversation.words(1, BORN, "Spk1", draft=True, other="Spk2")
    await asyncio.gather(*(task for task in listener.tasks if task.get_name().startswith("judge")))
    told = [output.probability for _, output in listener.said if isinstance(output, Addressed)]
    assert len(told) == 2 and told[1] == pytest.approx(0.125)
    (prompt,) = engine.weighed
    assert "Spk2 (to Spk1): I like the sea.\nNow Spk1 says:" in prompt.messages[-1].content
    assert "Is that said to Pip, and not to Spk2?" in prompt.messages[-1].content
    await conversation.close()


@pytest.mark.parametrize("weights", [(0.01, 0.02), ()])
async def test_a_model_that_fails_or_does_not_answer_the_question_leaves_it_to_memory(
    tmp_path: Path, listener: Listener, weights: tuple[float, ...]
) -> None:
    engine = fake_engine(weights=weights)
    engine.fail_with = None if weights else Unavailable("gone", reason="model_unavailable")
    conversation = Conversation(pip(tmp_path, engine, who_is_meant="model"), 0, listener)
    await conversation.words(1, BORN, "Spk1", draft=True, other="Spk2")
    await listener.until(1, Drafted)
    await asyncio.gather(*(task for task in listener.tasks if task.get_name().startswith("judge")))
    assert len([output for _, output in listener.said if isinstance(output, Addressed)]) == 1
    await conversation.close()


async def test_the_opinion_can_be_turned_off(tmp_path: Path, engine: FakeEngine, listener: Listener) -> None:
    conversation = Conversation(pip(tmp_path, engine, who_is_meant="off"), 0, listener)
    await conversation.words(1, BORN, "Spk1", draft=True, other="Spk2")
    await listener.until(1, Drafted)
    assert not [task for task in listener.tasks if task.get_name().startswith("judge")]
    await conversation.close()


def test_history_is_bounded_and_cut_rarely() -> None:
    history = History("pip", 20, ())
    for number in range(50):
        history.add(Utterance("Spk1", f"one two three four {number}"))
    assert sum(len(item.text.split()) for item in history.items) <= 20
    assert history.items[-1].text.endswith("49")
    history.add(Utterance("Spk1", "word " * 1000))
    assert sum(len(item.text.split()) for item in history.items) <= 20


def test_messages_take_turns_and_name_who_spoke_to_whom() -> None:
    messages = as_messages(
        [
            Utterance("Spk1", "Hello."),
            Utterance("Spk2", "Is it on?", addressee="Spk1"),
            Utterance("pip", "Well, I", interrupted=True),
        ],
        "pip",
    )
    assert [(message.role, message.content) for message in messages] == [
        ("user", "(Spk1:) Hello.\n(Spk2 to Spk1:) Is it on?"),
        ("assistant", "Well, I ..."),
    ]
