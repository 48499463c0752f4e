"""What becomes of the text that a model puts out: words, cues, and what is neither."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.llm.engine import Called, Thought
from services.llm.reply.cues import FaceCue
from services.llm.reply.reading.reader import Read, Reader
from services.llm.reply.reading.reasoning import Retract

OWN = ("june", "June Merrow", "June", "assistant")
OTHERS = ("Ann", "user")


def read(text: str, size: int = 10_000, opening: str = "", *, thinking: bool = False) -> tuple[str, list[tuple[int, str]]]:
    """The words, and the cues with their places, of a text in pieces of `size` characters."""
    reader = Reader(OWN, OTHERS, opening, thinking=thinking)
    items: list[Read] = []
    for start in range(0, len(text), size):
        items += reader.push(text[start : start + size])
    return joined(items + reader.finish())


def joined(items: list[Read]) -> tuple[str, list[tuple[int, str]]]:
    words, cues = "", []
    for item in items:
        if isinstance(item, Retract):
            words, cues = "", []
        elif isinstance(item, FaceCue):
            cues.append((len(words), item.name))
        else:
            words += item
    return words.rstrip(), cues


def words(text: str, opening: str = "", *, thinking: bool = False) -> str:
    """The words of a text, whole and letter by letter."""
    whole = read(text, opening=opening, thinking=thinking)
    assert read(text, 1, opening, thinking=thinking) == whole
    return whole[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("She plays the **cello** on Sundays.", "She plays the cello on Sundays."),
        ("She plays the *cello*, and the ***viola***!", "She plays the cello, and the viola!"),
        ("It was _never_ mine, and __never__ yours.", "It was never mine, and never yours."),
        ("*I was a baker. It was hot work.*", "I was a baker. It was hot work."),
        ("**Well,** I was a baker.", "Well, I was a baker."),
        ("He *loves* geese, and she *runs* the shop.", "He loves geese, and she runs the shop."),
        ("*Never* go there in March.", "Never go there in March."),
        ("un*frigging*believable", "unfriggingbelievable"),
        ("Call `bread` what is ``bread``.", "Call bread what is bread."),
        ("It is ~~four~~ five, ~10 or so.", "It is four five, ~10 or so."),
        (r"Five \* six \- no.", "Five six - no."),
    ],
)
def test_emphasised_words_are_said(text: str, said: str) -> None:
    assert words(text) == said


@pytest.mark.parametrize(
    ("text", "said", "cues"),
    [
        ("*chuckles softly* I was a baker.", "I was a baker.", ["amusement"]),
        ("*Smiles.* I was a baker.", "I was a baker.", ["warm_smile"]),
        ("*Smiles come easily.* I was a baker.", "Smiles come easily. I was a baker.", []),
        ("~sighs~ It was late... *sniff*", "It was late...", ["concern"]),
        ("So (pause) it was late.", "So it was late.", ["thought"]),
        ("_smiles warmly_ Come in.", "Come in.", ["warm_smile"]),
        ("**laughs** Come in.", "Come in.", ["amusement"]),
        ("*tilts her head* And you?", "And you?", []),
        ("*Leans back in the chair* And you?", "And you?", []),
        ("*a long pause* No.", "No.", ["thought"]),
        ("I said no. *shrugs* He laughed.", "I said no. He laughed.", []),
        ("It was, *sighs*, late — *yawns* — very.", "It was, late — very.", ["concern"]),
        ("Well, *sighs* it was late.", "Well, it was late.", ["concern"]),
        ("It was late *yawns*", "It was late", []),
        ("*I smile at you* So, tea?", "So, tea?", ["warm_smile"]),
        ("(laughs) No.", "No.", ["amusement"]),
        ("Oh (laughing quietly), no.", "Oh, no.", ["amusement"]),
        ("(with a small smile) Yes.", "Yes.", ["warm_smile"]),
        ("(takes a sip of tea) Yes.", "Yes.", []),
        ("[sighs] It was late. [pause] Very late.", "It was late. Very late.", ["concern", "thought"]),
        ("<laugh> No. <sigh/> No.", "No. No.", ["amusement", "concern"]),
        ("Come in 😊 and sit 🙂!", "Come in and sit!", ["warm_smile", "warm_smile"]),
        ("Come in :) and sit ;-)", "Come in and sit", ["warm_smile", "warm_smile"]),
        ("Fine 👍🏽, off we go ✈️ 👨‍👩‍👧.", "Fine, off we go.", ["nod"]),
    ],
)
def test_directions_and_pictures_are_done_and_not_said(text: str, said: str, cues: list[str]) -> None:
    assert words(text) == said
    assert [name for _, name in read(text)[1]] == cues


@pytest.mark.parametrize(
    "text",
    [
        "My aunt (the tall one) came too.",
        "I went back (with a wave to the captain).",
        "He came back (smiling Sam, we called him) in May.",
        "The boat (it leaks all over the place) is mine.",
        "Twice 2 * 3 * 4 is 48, and 2*3*4 is 24.",
        "The file is my_old_boat, and x < y, and a & b, and AT&T.",
        "It is 5 > 3, at 10:30, in 1990-1995; why not?",
        "I know: it was cold. He said so!",
        "Wait... what? Well - no.",
        "The price is $5 (or 4.50).",
        '"Moon River" is what she sang.',
        "'Tis a fine day, I'd say.",
    ],
)
def test_what_only_looks_like_a_mark_stays(text: str) -> None:
    assert words(text) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# My work\n\nI was a baker.", "I was a baker."),
        ("## I was a baker, and a good one!\nTruly.", "I was a baker, and a good one! Truly."),
        ("# Baker", "Baker"),
        ("- bread\n- rolls\n\nThat was all.", "bread, rolls. That was all."),
        ("* I baked.\n* I slept.", "I baked. I slept."),
        ("1. I baked.\n2. I slept.", "I baked. I slept."),
        ("1941. That was the year.", "1941. That was the year."),
        ("> I was a baker.\n> Truly.", "I was a baker. Truly."),
        ("I baked.\n\n---\n\nI slept.", "I baked. I slept."),
        ("| what | when |\n|:---|---:|\n| bread | early |", "what, when, bread, early"),
        ("```\nI was a baker.\n```", "I was a baker."),
        ("```python\nprint('no')\n```\nI was a baker.", "I was a baker."),
        ("Roses are red\nViolets are blue", "Roses are red, Violets are blue"),
        ("I was\na baker.", "I was a baker."),
        ("\\n\\nI was a baker.\\nTruly.", "I was a baker. Truly."),
        ("I was a baker\n\nI slept", "I was a baker. I slept"),
    ],
)
def test_lines_are_read_as_speech(text: str, said: str) -> None:
    assert words(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("See [the harbour](https://a.example/b_(c) 'x').", "See the harbour."),
        ("See [the harbour][1].\n\n[1]: https://a.example/b", "See the harbour."),
        ("Here: ![a harbour](h.png)", "Here: a harbour"),
        ("See https://www.a.example/b?c=d. It is (https://b.example/x).", "See a.example. It is (b.example)."),
        ("See <https://a.example/b> now.", "See a.example now."),
        ("It is so [1], and so.[2, 3]", "It is so, and so."),
        ("<p>I baked.</p><p>I <b>slept</b><br/>well</p>", "I baked. I slept, well"),
        ('<speak><prosody rate="slow">I baked.</prosody><break time="1s"/></speak>', "I baked."),
        ("Bread &amp; butter &#39;n&#39; jam&nbsp;too", "Bread & butter 'n' jam too"),
        ("I baked.<!-- a note --> I slept.", "I baked. I slept."),
        ("<script>alert(1)</script>I baked.", "I baked."),
        ("The [yellow] one", "The yellow one"),
    ],
)
def test_links_and_tags(text: str, said: str) -> None:
    assert words(text) == said


@pytest.mark.parametrize(
    "text",
    [
        "<think>\nWhat was it?\n</think>\n\nI was a baker.",
        "<thinking>Hm.</thinking>I was a baker.",
        "<reasoning>Hm.</reasoning> I was a baker.",
        "[THINK]Hm.[/THINK]I was a baker.",
        "◁think▷Hm.◁/think▷I was a baker.",
        "<seed:think>Hm.</seed:think>I was a baker.",
        "I should say what she does.</think>\n\nI was a baker.",
        "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>I was a baker.<|return|>",
        "analysisWe need to say.assistantfinalI was a baker.",
        "<|START_THINKING|>Hm.<|END_THINKING|><|START_RESPONSE|>I was a baker.<|END_RESPONSE|>",
        "I was a baker.<|im_end|>\n<|im_start|>user\nAnd then?",
        "<|im_start|>assistant\nI was a baker.<|im_end|>",
        "<s>I was a baker.</s>",
        "I was a baker.<|eot_id|>",
        "I was a baker.<end_of_turn>\n<start_of_turn>user\nAnd?",
        "I was a baker.<｜end▁of▁sentence｜>",
        "I was a baker. [INST] And then? [/INST]",
        "June: I was a baker.",
        "**June Merrow:** I was a baker.",
        "**June**: I was a *baker*.",
        "I was a baker.\nUser: And then?\nJune: I slept.",
        '"I was a baker."',
        "“I was a baker.”",
        "[memories: none] I was a baker.",
        "(Ann:) I was a baker.",
        "\ufeffI was\u200b a baker.",
    ],
)
def test_only_what_is_said_to_somebody_is_said(text: str) -> None:
    assert words(text) == "I was a baker."


def test_reasoning_that_the_prompt_has_begun() -> None:
    assert words("Hm. What was it?</think>I was a baker.", thinking=True) == "I was a baker."
    assert words("I was a baker.", thinking=True) == "I was a baker."
    reader = Reader(thinking=True)
    assert reader.push("I go on thinking") + reader.finish(complete=False) == []
    assert reader.thought


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("I keep bees. In spring they swarm.", "In spring they swarm."),
        ("*I keep bees.* In spring they swarm.", "In spring they swarm."),
        ("In Cork, yes! I keep bees - in spring they swarm.", "in spring they swarm."),
        ("In Cork, yes. I keep", ""),
        ("In spring they swarm.", "In spring they swarm."),
        ("I keep beeswax too.", "I keep beeswax too."),
        ("I keep", "I keep"),
    ],
)
def test_an_opening_that_was_said_is_not_said_again(text: str, said: str) -> None:
    assert words(text, opening="In Cork, yes. I keep bees. ") == said


def test_what_stands_in_another_script_is_said() -> None:
    assert words("我是面包师。我起得很早。") == "我是面包师。我起得很早。"
    assert words("أنا خبّاز.") == "أنا خبّاز."
    assert words("می‌خواهم") == "می‌خواهم"


def test_halves_of_a_character_are_put_together_or_left_out() -> None:
    reader = Reader()
    items = reader.push("Fine \ud83d") + reader.push("\ude00 day, \ud83d off \udc00 now.") + reader.finish()
    said, cues = joined(items)
    assert said == "Fine day, off now."
    assert cues == [(4, "warm_smile")]
    said.encode()


def test_what_comes_beside_the_words_is_noted() -> None:
    reader = Reader()
    assert reader.push(Thought("Hm.")) == [] and reader.thought
    assert reader.push(Called()) == [] and reader.tool
    for text, noted in (
        ("<tool_call>{}</tool_call>", "tool"),
        ("[TOOL_CALLS] [{}]", "tool"),
        ("😀", "pictures"),
        ("?!", "signs"),
    ):
        reader = Reader()
        reader.push(text)
        reader.finish()
        assert getattr(reader, noted) and not reader.words


MARKS = ["*", "**", "_", "`", "```", "(", ")", "[", "]", "](", "<", ">", "</", "<think>", "</think>", "<|", "|>", "&amp;"]
SIGNS = ["~~", "---", "http://a.b/c", "😀", ":)", "\\", "!", '"', "“", "<b>", "<br>", "<!--", "-->"]
LINES = ["\n", "\n\n", "\r", " ", ". ", ", ", "# ", "- ", "1. ", "> ", "| ", "\ud83d"]
WORDS = ["June:", "User:", "laughs", "softly", "I", "piano", "Well", "analysis"]
PIECES = st.lists(st.one_of(st.sampled_from([*MARKS, *SIGNS, *LINES, *WORDS]), st.text(max_size=4)), max_size=14).map("".join)


@given(PIECES, st.lists(st.integers(0, 120), max_size=8))
@example("*laughs softly* [x](y) <b>", [1, 2, 9, 17])
def test_where_a_text_was_cut_makes_no_difference(text: str, cuts: list[int]) -> None:
    whole = read(text)
    reader = Reader(OWN, OTHERS)
    items: list[Read] = []
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    for start, end in itertools.pairwise(places):
        items += reader.push(text[start:end])
    assert joined(items + reader.finish()) == whole
    whole[0].encode()


@given(st.text(st.characters(categories=("L", "N")), min_size=1, max_size=6), st.sampled_from("*_(<[&~!:|\\"))
def test_no_mark_that_is_never_closed_swallows_what_follows(word: str, mark: str) -> None:
    rest = " and then we went on to the sea, where it was cold and bright and nobody else had come that day." * 3
    assert rest.strip()[-60:] in read(f"It was {mark}{word}{rest}")[0]


@pytest.mark.parametrize("mark", ["*", "**", "_", "(", "[", "<", "&", "~", "`", "<b", '"', "*laughs at", "(smiles and", "[see"])
def test_what_may_be_a_mark_is_not_held_for_long(mark: str) -> None:
    reader = Reader()
    given = "".join(str(item) for item in reader.push(f"It was {mark}" + "x" * 10 + " yz" * 60))
    assert len(given) > 100


def test_plain_words_pass_at_once() -> None:
    reader = Reader(OWN, OTHERS)
    given = ""
    for token in ("I", " was", " a", " baker", ",", " and", " it", " was", " hot", ".", " Truly"):
        given += "".join(str(item) for item in reader.push(token))
        sent = given
    assert sent == "I was a baker, and it was hot. Truly"
