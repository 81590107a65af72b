"""Drawings as one HTML page that needs nothing else. Knows drawings, not what they show.

The module that draws and the data are inside, a content policy runs that module alone and forbids
every request, and all text is escaped.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from string import Template

from unembed.figures.colours import MONO, SANS, TOKENS, Colours, Theme
from unembed.figures.drawing import Drawing, module
from unembed.figures.files import check_path, write_whole
from unembed.figures.text import isolate


def standalone(
    drawing: Drawing,
    *,
    title: str,
    description: Sequence[str],
    provenance: Mapping[str, str],
    legend: Sequence[str] = (),
    colours: Colours | None = None,
    path: str | Path | None = None,
) -> str:
    """One HTML file that draws with no network and prints well.

    Args:
        description: paragraphs on what is shown; plain text.
        provenance: what the numbers come from, by name; plain text.
        legend: how to read it, a sentence each; plain text.
        colours: None: light or dark as the reader's system is.
        path: a file to write the page to, in one step.

    Raises:
        InputError: `path` cannot be written.
        CapabilityError: the module that draws was not built.
    """
    if path is not None:
        check_path(path)
    script = in_script(module())
    page = Template(asset("page.html")).substitute(
        title=_text(title),
        style=style(colours),
        description="\n".join(f"<p>{_text(paragraph)}</p>" for paragraph in description),
        legend=_legend(legend),
        provenance="\n".join(
            f"<div><dt>{_text(name)}</dt><dd>{_text(value)}</dd></div>"
            for name, value in provenance.items()
        ),
        data=in_data(drawing.to_json()),
        hash=_hash(script),
        module=script,
    )
    if path is not None:
        write_whole(path, page)
    return page


def in_script(source: str) -> str:
    """JavaScript that may stand in a script element: nothing in it ends the element, or hides it.

    Both can stand only in strings, templates, regular expressions and comments of a module, where
    a backslash before the character changes nothing.
    """
    return re.sub("<(/script|!--)", r"<\\\1", source, flags=re.IGNORECASE)


def in_data(written: str) -> str:
    """JSON that may stand in a script element."""
    return written.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def asset(name: str) -> str:
    """A file that lies beside this one."""
    return files("unembed.figures").joinpath(name).read_text(encoding="utf-8")


def _text(text: str) -> str:
    return html.escape(isolate(text))


def _legend(legend: Sequence[str]) -> str:
    if not legend:
        return ""
    rows = "\n".join(f"<li>{_text(words)}</li>" for words in legend)
    return f"<h2>How to read it</h2>\n<ul>\n{rows}\n</ul>"


def style(colours: Colours | None) -> str:
    """The colours as CSS variables, then the sheet."""
    fonts = f":root {{ --sans: {SANS}; --mono: {MONO}; }}"
    if colours is not None:
        return "\n".join([fonts, _variables(colours.theme), asset("page.css")])
    dark = f"@media screen and (prefers-color-scheme: dark) {{ {_variables('dark')} }}"
    return "\n".join([fonts, _variables("light"), dark, asset("page.css")])


def _variables(theme: Theme) -> str:
    lines = " ".join(f"--{name}: {value};" for name, value in TOKENS[theme].items())
    return f":root {{ color-scheme: {theme}; {lines} }}"
