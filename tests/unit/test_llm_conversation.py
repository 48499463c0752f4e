"""Turns, drafts and history: what is said for which turn, and what is remembered."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.llm.engines.fake import FakeEngine
from services.llm.memory.history import History, Utterance, as_messages
from services.llm.memory.record import Record
from services.llm.memory.retrieval import Hit
from services.llm.memory.store import Addressee, Entry, Kept, Key
from services.llm.persona.story import Passage
from services.llm.reply.clauses import sentences
from services.llm.reply.conversation import Conversation
from services.llm.reply.outputs import Addressed, Broken, Cue, Drafted, Finished, Output, Recalled, Source, Text
from services.llm.reply.recalling import Recollection
from services.llm.reply.replier import Replier
from tests.harness.llm_parts import fake_engine, pip
from tests.harness.waiting import PATIENCE_S, until
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
        async with asyncio.timeout(PATIENCE_S):
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


def talk(replier: Replier, listener: Listener, lane: int = 0) -> Conversation:
    """A conversation of which nothing is kept."""
    return Conversation(replier, lane, listener, record_of(replier))


def record_of(replier: Replier) -> Record:
    return Record(replier.recaller.persona, replier.settings.history_words)


@pytest.fixture
def record(tmp_path: Path, engine: FakeEngine) -> Record:
    """Of `conversation`."""
    return record_of(pip(tmp_path, engine))


@pytest.fixture
async def conversation(tmp_path: Path, engine: FakeEngine, listener: Listener, record: Record) -> Any:
    made = Conversation(pip(tmp_path, engine), 0, listener, record)
    yield made
    await made.close()


def said(text: str, turn_id: int = 1, speaker: str = "ana", to: str = "") -> Entry:
    addressees = (Addressee(to),) if to else ()
    return Entry(speaker, text, id=f"{speaker}-{turn_id}-{text}", addressees=addressees, turn_id=turn_id)


def heard(text: str, turn_id: int = 1, *, interrupted: bool = False) -> Entry:
    return Entry("pip", text, id=f"reply-{turn_id}", turn_id=turn_id, interrupted=interrupted)


async def test_a_sure_memory_is_told_in_its_own_words(
    conversation: Conversation, listener: Listener, engine: FakeEngine
) -> None:
    await conversation.commit(said(BORN))
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
    conversation = talk(replier, listener)
    await conversation.commit(said(BORN))
    await listener.until(1, Finished)
    assert listener.text(1) in ("I couldn't tell you that. ", "No idea, I'm afraid. ")
    assert not [output for _, output in listener.said if isinstance(output, Source)]
    await conversation.close()


async def test_what_nobody_could_know_is_declined_without_a_model(
    conversation: Conversation, listener: Listener, engine: FakeEngine
) -> None:
    await conversation.commit(said("Which football team won yesterday?"))
    await listener.until(1, Finished)
    assert listener.text(1) in ("I couldn't tell you that. ", "No idea, I'm afraid. ")
    assert engine.generated == []


async def test_empty_words_are_asked_for_again(conversation: Conversation, listener: Listener) -> None:
    await conversation.commit(said(" ... "))
    await listener.until(1, Finished)
    assert listener.text(1) == "I didn't catch that. "


async def test_the_model_answers_what_it_is_told_and_is_checked(tmp_path: Path, listener: Listener) -> None:
    engine = fake_engine("That sounds tiring, sit down. My brother Bob lives in Boston. Goodbye.")
    conversation = talk(pip(tmp_path, engine, opening="model"), listener)
    await conversation.commit(said(TOLD))
    finished = await listener.until(1, Finished)
    assert listener.text(1) == "That sounds tiring, sit down. "
    assert finished.done.corrected
    await conversation.close()


@pytest.mark.parametrize(
    "reply", ["As an AI language model, I cannot feel.", "```print(1)```", "I had a long day.", "A day at the bakery, long."]
)
async def test_what_must_not_be_spoken_is_replaced(tmp_path: Path, listener: Listener, reply: str) -> None:
    conversation = talk(pip(tmp_path, fake_engine(reply), opening="model"), listener)
    await conversation.commit(said(TOLD))
    await listener.until(1, Finished)
    assert listener.text(1) in LISTENING
    await conversation.close()


@pytest.mark.parametrize("reply", ["That sounds hard. 你先坐下。 Have some tea.", "Садись, отдохни.", "اجلس واسترح."])
async def test_a_clause_in_another_script_is_no_echo(tmp_path: Path, listener: Listener, reply: str) -> None:
    conversation = talk(pip(tmp_path, fake_engine(reply), opening="model"), listener)
    await conversation.commit(said(TOLD))
    await listener.until(1, Finished)
    assert listener.text(1).strip() == reply
    await conversation.close()


async def test_words_in_another_script_are_no_silence(conversation: Conversation, listener: Listener) -> None:
    await conversation.words(1, "你好吗", "ana", draft=True)
    await listener.until(1, Drafted)
    await conversation.commit(said("你在哪里出生？"))
    await listener.until(1, Finished)
    assert listener.text(1) != "I didn't catch that. "
    drafts = [output for _, output in listener.said if isinstance(output, Drafted)]
    assert len(drafts) == 1, "other words are no reason to send the draft, and it was replaced"


async def test_a_memory_that_the_model_has_begun_is_not_begun_again(tmp_path: Path, listener: Listener) -> None:
    engine = fake_engine("I was born on Gull Rock in nineteen forty-one, to my uncle Bob in Boston.")
    conversation = talk(pip(tmp_path, engine, opening="model"), listener)
    await conversation.commit(said(BORN))
    await listener.until(1, Finished)
    assert listener.text(1).startswith("I was born on Gull Rock in nineteen forty-one, in a storm.")
    await conversation.close()


async def test_a_direction_is_a_cue_and_an_emphasis_is_said(tmp_path: Path, listener: Listener) -> None:
    conversation = talk(pip(tmp_path, fake_engine("*chuckles* That's *hard* **work**."), opening="model"), listener)
    await conversation.commit(said(TOLD))
    await listener.until(1, Finished)
    assert listener.text(1) == "That's hard work."
    assert [output.cue.name for _, output in listener.said if isinstance(output, Cue)] == ["amusement"]
    await conversation.close()


async def test_what_is_told_is_listened_to_at_once(conversation: Conversation, listener: Listener, engine: FakeEngine) -> None:
    await conversation.commit(said(TOLD))
    finished = await listener.until(1, Finished)
    assert listener.text(1) in LISTENING
    assert not finished.done.corrected
    assert engine.generated == []


async def test_a_draft_is_kept_back_until_the_same_words_are_committed(conversation: Conversation, listener: Listener) -> None:
    await conversation.words(1, "where were you born", "ana", draft=True)
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*listener.tasks)
    # How it begins is told, so that its sound can be prepared; nothing else.
    assert listener.said == [(1, Drafted("I was born on Gull Rock in nineteen forty-one, in a storm. "))]
    await conversation.commit(said("Where were you, born?"))
    assert listener.text(1).startswith("I was born on Gull Rock")
    assert (await listener.until(1, Finished)).first_token_us == 0


async def test_a_draft_for_other_words_is_never_heard(conversation: Conversation, listener: Listener) -> None:
    await conversation.words(1, "where were you born", "ana", draft=True)
    await conversation.commit(said("Do you have a sister?"))
    await listener.until(1, Finished)
    assert listener.text(1).startswith("My sister Wren")
    assert "born" not in listener.text(1)


async def test_a_newer_turn_ends_the_older_one_and_stops_the_model(tmp_path: Path, listener: Listener) -> None:
    engine = fake_engine("Sit down and rest. " * 20, token_delay_s=0.01)
    conversation = talk(pip(tmp_path, engine, opening="model"), listener)
    await conversation.commit(said(TOLD))
    await listener.until(1, Text)
    await conversation.commit(said(BORN, 2))
    assert engine.stopped == 1
    await listener.until(2, Finished)
    turns = [turn_id for turn_id, _ in listener.said]
    assert turns == sorted(turns)
    await conversation.commit(said(TOLD))
    await conversation.words(1, "late words", "ana", draft=True)
    assert not any(turn_id == 1 for turn_id, _ in listener.said[turns.index(2) :])
    await conversation.close()


async def test_a_cancelled_turn_is_neither_spoken_nor_remembered(tmp_path: Path, listener: Listener) -> None:
    replier = pip(tmp_path, fake_engine("Sit down. " * 50, token_delay_s=0.01), opening="model")
    record = record_of(replier)
    conversation = Conversation(replier, 0, listener, record)
    await conversation.commit(said(TOLD))
    await listener.until(1, Text)
    assert [item.text for item in record.said] == [TOLD]
    await conversation.cancel(1)
    spoken = len(listener.said)
    await conversation.commit(said(TOLD))
    assert record.said == ()
    assert len(listener.said) == spoken
    await conversation.close()


class SlowStore:
    """Keeps something only when it is let."""

    def __init__(self) -> None:
        self.asked, self.free = asyncio.Event(), asyncio.Event()

    async def open(self, key: Key) -> Kept:
        return Kept()

    async def add(self, key: Key, entry: Entry, participants: object) -> None:
        self.asked.set()
        await self.free.wait()


@pytest.mark.parametrize("drafted", [True, False])
async def test_the_reply_is_made_while_what_it_answers_is_kept_and_said_when_it_is(
    tmp_path: Path, listener: Listener, *, drafted: bool
) -> None:
    engine, store = fake_engine("Sit down and rest."), SlowStore()
    replier = pip(tmp_path, engine, opening="model")
    record = record_of(replier)
    await record.open(store, "c1")
    conversation = Conversation(replier, 0, listener, record)
    if drafted:
        await conversation.words(1, TOLD, "ana", draft=True)
        await listener.until(1, Drafted)
    committing = asyncio.create_task(conversation.commit(said(TOLD)))
    await store.asked.wait()
    await until(lambda: engine.generated)
    assert not [output for _, output in listener.said if not isinstance(output, Drafted)]
    store.free.set()
    await committing
    assert (await listener.until(1, Finished)).answers == said(TOLD).id
    assert listener.text(1) == "Sit down and rest."
    await conversation.close()


async def test_words_are_read_ahead_with_what_they_recall(tmp_path: Path, engine: FakeEngine, listener: Listener) -> None:
    conversation = talk(pip(tmp_path, engine, opening="model"), listener, lane=3)
    for text in ("where were", "where were you born", "where were you born then"):
        await conversation.words(1, text, "ana", draft=False)
        await asyncio.gather(*listener.tasks)
    lane, prompt = engine.prefilled[-1]
    assert lane == 3
    assert prompt.messages[-1].content.startswith("[memories: I was born on Gull Rock")
    assert prompt.messages[-1].content.endswith("] where were you born then")
    assert listener.said == []
    await conversation.close()


async def test_memories_that_still_change_are_not_read_ahead(tmp_path: Path, engine: FakeEngine, listener: Listener) -> None:
    conversation = talk(pip(tmp_path, engine, opening="model"), listener)
    for text in ("where were you born", "where were you born and your sister", "do you have a sister or brother"):
        await conversation.words(1, text, "ana", draft=False)
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
    await replier.prefill(Utterance("Ana", "Well?"), (), recollection, 0)
    given = engine.prefilled[-1][1].messages[-1].content
    assert "number 10 of" in given
    assert 30 <= len(given.split()) <= 55
    await replier.prefill(Utterance("Ana", "Well?"), (), Recollection((hit,), sure=True), 0)
    assert story in engine.prefilled[-1][1].messages[-1].content


async def test_nothing_is_read_ahead_that_memory_answers(
    conversation: Conversation, listener: Listener, engine: FakeEngine
) -> None:
    await conversation.words(1, "where were you born", "ana", draft=False)
    await asyncio.gather(*listener.tasks)
    assert engine.prefilled == []


async def test_an_engine_out_of_reach_fails_the_turn_and_not_the_conversation(
    tmp_path: Path, listener: Listener, engine: FakeEngine
) -> None:
    conversation = talk(pip(tmp_path, engine, opening="model"), listener)
    engine.fail_with = Unavailable("nobody home", reason="model_unavailable")
    await conversation.words(1, "I had a long", "ana", draft=False)
    await conversation.commit(said(TOLD))
    broken = await listener.until(1, Broken)
    assert (broken.error.reason, broken.error.retryable) == ("model_unavailable", True)
    engine.fail_with = None
    await conversation.commit(said(TOLD, 2))
    await listener.until(2, Finished)
    await conversation.close()


async def test_history_is_what_was_heard(conversation: Conversation, record: Record, listener: Listener) -> None:
    await conversation.commit(said(BORN))
    await listener.until(1, Finished)
    conversation.utterance(said("Pass the salt.", 0, "ben", "ana"))
    conversation.heard(heard("I was born on", interrupted=True))
    assert [(item.speaker, item.text) for item in record.said] == [
        ("Speaker 1", BORN),
        ("pip", "I was born on"),
        ("Speaker 2", "Pass the salt."),
    ]


async def test_what_is_asked_next_is_understood_from_what_was_said(conversation: Conversation, listener: Listener) -> None:
    await conversation.commit(said("Do you have a sister?"))
    await listener.until(1, Finished)
    conversation.heard(heard("My sister Wren is two years older than me."))
    await conversation.commit(said("And where does she live?", 2))
    await listener.until(2, Finished)
    assert "Cornwall" in listener.text(2)


async def test_what_the_listener_told_is_known_later(conversation: Conversation, listener: Listener) -> None:
    await conversation.commit(said("My dog is called Rex. The weather is fine."))
    await listener.until(1, Finished)
    await conversation.commit(said("What's my dog called?", 2))
    await listener.until(2, Finished)
    assert listener.text(2) == "You told me your dog is called Rex. "


async def test_what_tells_whether_the_persona_is_meant_is_told_beside_the_draft_where_it_is_asked(
    conversation: Conversation, listener: Listener
) -> None:
    await conversation.words(1, BORN, "ana", draft=True, others=["ben"])
    told = await listener.until(1, Addressed)
    assert (told.text, told.likeness, told.shares) == (BORN, None, ()) and 0.9 < told.nearest < 1.01
    await conversation.commit(said(BORN))
    await listener.until(1, Finished)
    conversation.heard(heard("On a rock."))
    conversation.utterance(said("The bread is burnt.", 0, "ben", "ana"))
    await conversation.words(2, "Yes, the bread is burnt.", "ana", draft=True, others=["ben"])
    told = await listener.until(2, Addressed)
    assert told.nearest < 0.5 and told.likeness is not None and told.likeness > 0.9


async def test_what_words_bring_to_mind_is_told_to_whoever_answers_them(
    conversation: Conversation, listener: Listener, record: Record
) -> None:
    await conversation.words(1, BORN, "ana", draft=False, recall=True)
    told = await listener.until(1, Recalled)
    assert told.words == BORN and told.text.startswith("[memories: ") and "Gull Rock" in told.text
    listener.said.clear()
    await conversation.answered_elsewhere(said(BORN))
    assert (await listener.until(1, Recalled)).text == told.text
    assert [each.text for each in record.said] == [BORN], "it is kept"
    conversation.heard(heard("On an island."))
    assert [each.text for each in record.said] == [BORN, "On an island."]
    await conversation.words(2, "...", "ana", draft=False, recall=True)
    assert (await listener.until(2, Recalled)).text == ""
    await conversation.cancel(2)
    assert not [output for _, output in listener.said if isinstance(output, Text)], "nothing is said here"


async def test_whoever_was_to_answer_does_not_and_the_persona_does(
    conversation: Conversation, listener: Listener, record: Record
) -> None:
    await conversation.answered_elsewhere(said(BORN))
    await listener.until(1, Recalled)
    await conversation.commit(said(BORN))
    assert (await listener.until(1, Finished)).answers == said(BORN).id
    assert [each.text for each in record.said] == [BORN], "it was said once"
    await conversation.answered_elsewhere(said("And when?", 2))
    await conversation.cancel(2)
    assert [each.text for each in record.said] == [BORN], "what was taken back is not kept"


@pytest.mark.parametrize("last", ["pip", "ana"])
async def test_words_are_compared_with_those_of_somebody_else_only(
    conversation: Conversation, listener: Listener, last: str
) -> None:
    conversation.utterance(said("The bread is burnt.", 0, last))
    await conversation.words(1, "Yes, the bread is burnt.", "ana", draft=True, others=["ben"])
    assert (await listener.until(1, Addressed)).likeness is None


async def test_who_is_alone_is_not_wondered_about(conversation: Conversation, listener: Listener) -> None:
    await conversation.words(1, BORN, "ana", draft=True)
    await listener.until(1, Drafted)
    assert not [task for task in listener.tasks if task.get_name().startswith("judge")]


async def test_the_model_is_asked_after_memory_and_its_word_comes_last(tmp_path: Path, listener: Listener) -> None:
    engine = fake_engine(weights=(0.1, 0.7))
    conversation = talk(pip(tmp_path, engine, who_is_meant="model"), listener)
    conversation.utterance(said("I like the sea.", 0, "ben", "ana"))
    await conversation.words(1, BORN, "ana", draft=True, others=["ben"])
    await asyncio.gather(*(task for task in listener.tasks if task.get_name().startswith("judge")))
    memory, model = [output for _, output in listener.said if isinstance(output, Addressed)]
    assert memory.shares == () and dict(model.shares)["pip"] == pytest.approx(0.125)
    assert (model.nearest, model.likeness) == (memory.nearest, memory.likeness)
    (prompt,) = engine.weighed
    assert "Speaker 1 (to Speaker 2): I like the sea.\nNow Speaker 2 says:" in prompt.messages[-1].content
    assert "Is that said to Pip, and not to Speaker 1?" in prompt.messages[-1].content
    await conversation.close()


async def test_of_several_the_model_weighs_each_against_the_persona(tmp_path: Path, listener: Listener) -> None:
    engine = fake_engine(weights=(0.2, 0.6))
    conversation = talk(pip(tmp_path, engine, who_is_meant="model"), listener)
    await conversation.words(1, BORN, "ana", draft=True, others=["ben", "cy"])
    await asyncio.gather(*(task for task in listener.tasks if task.get_name().startswith("judge")))
    asked = [prompt.messages[-1].content for prompt in engine.weighed]
    assert ["not to Speaker 2?" in asked[0], "not to Speaker 3?" in asked[1], len(asked)] == [True, True, 2]
    *_, told = [output.shares for _, output in listener.said if isinstance(output, Addressed)]
    assert [each for each, _ in told] == ["ben", "cy", "pip"]
    assert [share for _, share in told] == pytest.approx([3 / 7, 3 / 7, 1 / 7])
    await conversation.close()


@pytest.mark.parametrize("weights", [(0.01, 0.02), ()])
async def test_a_model_that_fails_or_does_not_answer_the_question_leaves_it_to_memory(
    tmp_path: Path, listener: Listener, weights: tuple[float, ...]
) -> None:
    engine = fake_engine(weights=weights)
    engine.fail_with = None if weights else Unavailable("gone", reason="model_unavailable")
    conversation = talk(pip(tmp_path, engine, who_is_meant="model"), listener)
    await conversation.words(1, BORN, "ana", draft=True, others=["ben"])
    await listener.until(1, Drafted)
    await asyncio.gather(*(task for task in listener.tasks if task.get_name().startswith("judge")))
    assert [output.shares for _, output in listener.said if isinstance(output, Addressed)] == [()]
    await conversation.close()


async def test_nothing_is_told_of_it_where_that_is_turned_off(tmp_path: Path, engine: FakeEngine, listener: Listener) -> None:
    conversation = talk(pip(tmp_path, engine, who_is_meant="off"), listener)
    await conversation.words(1, BORN, "ana", draft=True, others=["ben"])
    await listener.until(1, Drafted)
    assert not [task for task in listener.tasks if task.get_name().startswith("judge")]
    await conversation.close()


def test_history_is_bounded_and_cut_rarely() -> None:
    history = History("pip", "", 20)
    for number in range(50):
        history.add(said(f"one two three four {number}", 0))
    assert sum(len(item.text.split()) for item in history.entries) <= 20
    assert history.entries[-1].text.endswith("49")
    history.add(said("word " * 1000, 0))
    assert sum(len(item.text.split()) for item in history.entries) <= 20


def test_messages_take_turns_and_name_who_spoke_to_whom() -> None:
    messages = as_messages(
        [
            Utterance("Ana", "Hello."),
            Utterance("Ben", "Is it on?", addressee="Ana"),
            Utterance("pip", "Well, I", interrupted=True),
        ],
        "pip",
    )
    assert [(message.role, message.content) for message in messages] == [
        ("user", "(Ana:) Hello.\n(Ben to Ana:) Is it on?"),
        ("assistant", "Well, I ..."),
    ]
