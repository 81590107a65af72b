"""Every result that has a picture is drawn by the package that its class is listed with."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from inspect import signature

import pytest

import unembed as ue
from unembed.analyses.tools.result import FIGURES, Drawn, figures_of

DRAWN = [name for name in ue.__all__ if isinstance(getattr(ue, name), type)]
DRAWN = [name for name in DRAWN if issubclass(getattr(ue, name), Drawn)]


def test_every_result_with_a_picture_is_listed():
    assert sorted(FIGURES) == sorted(DRAWN)


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("function", ["plot", "html", "widget"])
def test_the_package_draws_this_class(name, function):
    drawn_by = getattr(import_module(FIGURES[name]), function)
    first = next(iter(signature(drawn_by).parameters.values()))
    assert first.annotation == name
    result = object.__new__(getattr(ue, name))
    assert getattr(figures_of(result), function) is drawn_by


def test_no_figure_is_loaded_with_the_results():
    script = (
        "import sys, unembed as ue; ue.LensResult, ue.FlowGraph, ue.flow_graph, ue.logit_lens\n"
        "print([name for name in sys.modules if name.startswith(('unembed.figures', 'plotly'))])"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
