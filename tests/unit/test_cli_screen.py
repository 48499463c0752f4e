"""What people read in the terminal."""

from __future__ import annotations

import io

from rich.console import Console, RenderableType

from vivant.cli import screen
from vivant.events import Metrics, Notice, Severity, Stage
from vivant.info import Component, Model, ServiceInfo


def shown(item: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=140, no_color=True)
    console.print(item)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def info(*models: Model) -> ServiceInfo:
    return ServiceInfo("tts", "hibari", "0.3", (), (), (), (), (), 4, 1, True, models)


def test_each_stage_is_a_bar_from_the_one_before() -> None:
    lines = shown(
        screen.stages(Metrics(1, (Stage("end_of_turn", 200.0), Stage("llm_first_text", 400.4), Stage("first_unit", 800.0))))
    ).splitlines()
    rows = {line[:14].strip(): line for line in lines[2:]}
    assert list(rows) == ["end of turn", "llm first text", "first unit"]
    assert "400 ms" in rows["llm first text"] and "200 ms" in rows["llm first text"]
    bars = {name: (line.count("█"), line.find("█")) for name, line in rows.items()}
    assert bars["end of turn"][0] == 10 and bars["llm first text"][0] == 10 and bars["first unit"][0] == 20
    assert bars["end of turn"][1] < bars["llm first text"][1] < bars["first unit"][1]


def test_stages_that_go_back_in_time_and_none_at_all_do_not_break_it() -> None:
    assert "b" in shown(screen.stages(Metrics(1, (Stage("a", 5.0), Stage("b", -3.0)))))
    assert "Where the time went" in shown(screen.stages(Metrics(1, ())))


def test_a_notice_says_how_bad_it_is() -> None:
    text = shown(screen.notice(Notice(Severity.WARNING, "tts_unavailable", "My voice is gone [today].", "tts", retryable=True)))
    assert text.strip() == "warning: My voice is gone [today]. (tts_unavailable)"


def test_services_that_do_not_answer_are_listed() -> None:
    text = shown(
        screen.components(
            [
                Component("tts", "localhost:50054", ready=True, reason="", info=info()),
                Component("face", "localhost:50055", ready=False, reason="loading", info=None),
            ]
        )
    )
    assert "hibari" in text and "1/4" in text and "ready" in text
    assert "not ready" in text and "localhost:50055" in text


def test_licences_and_notices_are_shown() -> None:
    component = Component("tts", "", ready=True, reason="", info=info(Model("Hibari", "MIT", "Built with care")))
    rendered = screen.models([component])
    assert rendered is not None
    text = shown(rendered)
    assert "Hibari" in text and "MIT" in text and "Hibari: Built with care" in text
    assert screen.models([Component("tts", "", ready=False, reason="down", info=None)]) is None
