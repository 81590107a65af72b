"""Flags: those of `settings`, made from its table, and those that several commands share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Annotated, Any

import typer

from unembed.errors import InputError
from unembed.settings import Settings

Source = Annotated[
    str,
    typer.Argument(
        help="A hub id, a folder, a .gguf file, or gemma3-270m, the demo model.", metavar="SOURCE"
    ),
]
Prompt = Annotated[
    str, typer.Argument(help="The prompt; - reads it from standard input.", metavar="PROMPT")
]
Dtype = Annotated[
    str | None, typer.Option(help="float32, bfloat16, float16 or float64.", rich_help_panel="Model")
]
Device = Annotated[
    str | None,
    typer.Option(help='Where to compute: "cpu", "cuda", "mps" ...', rich_help_panel="Model"),
]
Revision = Annotated[
    str | None, typer.Option(help="Branch, tag or commit on the hub.", rich_help_panel="Model")
]
TrustRemoteCode = Annotated[
    bool,
    typer.Option(
        "--trust-remote-code",
        help="Run Python code that comes with the model. Only for sources that you trust.",
        rich_help_panel="Model",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
TopK = Annotated[
    int, typer.Option("--top-k", "-k", min=1, help="How many tokens of each distribution.")
]
Edits = Annotated[
    list[str] | None,
    typer.Option(
        "--edit",
        "-e",
        help='"zero L9.H6", "scale L5.mlp 0.5", "patch L5.resid_post@3 Another prompt" ... '
        "Repeatable.",
    ),
]
Token = Annotated[
    str | None,
    typer.Option(envvar="UNEMBED_TOKEN", help="Token that clients must know; random if left out."),
]
AllowHost = Annotated[
    list[str] | None,
    typer.Option(
        help="A further name, or name:port, by which browsers may address the server. Repeatable."
    ),
]


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command one flag per row of `Settings`; it gets them as one `settings` argument.

    A flag wins over its environment variable, and that over the default.
    """
    own = inspect.signature(command, eval_str=True)
    rows = fields(Settings)

    def wrapped(**given: Any) -> None:
        chosen = {row.name: given.pop(row.name) for row in rows}
        chosen = {name: value for name, value in chosen.items() if value is not None}
        negative = next((n for n, v in chosen.items() if not isinstance(v, str) and v < 0), None)
        if negative is not None:
            flag = "--" + negative.replace("_", "-")
            raise InputError(f"{flag} is {chosen[negative]}; it must be zero or more", field=flag)
        command(**given, settings=replace(Settings.from_environment(), **chosen))

    flags = [
        inspect.Parameter(
            row.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[type(row.default) | None, _option(row)],
        )
        for row in rows
    ]
    kept = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in own.parameters.values()
        if parameter.name != "settings"
    ]
    wrapped.__name__, wrapped.__doc__ = command.__name__, command.__doc__
    wrapped.__signature__ = inspect.Signature([*kept, *flags])  # type: ignore[attr-defined]
    wrapped.__annotations__ = {p.name: p.annotation for p in [*kept, *flags]}
    return wrapped


def _option(row: Any) -> Any:
    default = (
        f"{row.default:,}" if isinstance(row.default, int) and row.name != "port" else row.default
    )
    return typer.Option(
        "--" + row.name.replace("_", "-"),
        help=f"{row.metadata['sentence']} (default {default or '-'}; UNEMBED_{row.name.upper()})",
        show_default=False,
        rich_help_panel="Address" if row.name in ("host", "port") else "Limits",
    )
