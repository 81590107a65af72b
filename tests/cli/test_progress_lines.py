"""Without a terminal a line a minute says how far it is and how long it takes, and no more."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from unembed.cli import progress_lines
from unembed.cli.loading import progress_bar


@pytest.fixture
def said(monkeypatch):
    """Reports of (seconds since the first, stage, done, total); the lines that were printed."""

    def run(*reports):
        now = [0.0]
        monkeypatch.setattr(progress_lines, "clock", lambda: now[0])
        file = io.StringIO()
        with progress_bar(Console(file=file, width=200), "Reading") as progress:
            for now[0], stage, done, total in reports:
                progress(stage, done, total)
        return file.getvalue().splitlines()

    return run


def test_a_line_a_minute_with_the_time_left(said):
    reports = [(at, "9 tokens a second", 1000 + 10 * at, 40_000) for at in range(0, 150, 10)]
    assert said(*reports) == [
        "Reading ...",
        "Reading: 9 tokens a second, 1,600 of 40,000 (4%), 1 h 4 min left",
        "Reading: 9 tokens a second, 2,200 of 40,000 (6%), 1 h 3 min left",
    ]


def test_what_is_quick_says_nothing(said):
    assert said((0, "a", 0, 9), (59, "a", 9, 9)) == ["Reading ..."]


def test_another_stage_is_timed_from_its_own_beginning(said):
    lines = said((0, "texts", 0, 100), (50, "texts", 100, 100), (55, "lists", 1, 4),
                 (75, "lists", 2, 4), (140, "lists", 4, 4), (300, "waiting", 0, 0))  # fmt: skip
    assert lines[1:] == [
        "Reading: lists, 2 of 4 (50%), 1 min left",
        "Reading: lists, 4 of 4 (100%)",
        "Reading: waiting, 0",
    ]
