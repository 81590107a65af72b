"""Flags: those of `settings`, made from its table, and those that several commands share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from unembed.cli.loading import Loading, typed
from unembed.errors import InputError
from unembed.questions import operations
from unembed.settings import Settings

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
PageHtml = Annotated[
    Path | None,
    typer.Option(
        "--html",
        help="Also write its page, without scripts, that needs no network; replaces the file in "
        "one step.",
        metavar="FILE",
        rich_help_panel="Output",
    ),
]
Edits = Annotated[
    list[str] | None,
    typer.Option(
        "--edit",
        "-e",
        help=f"{operations.grammar()}. Repeatable.",
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


_SOURCE = typer.Argument(
    help="A hub id, a folder, a .gguf file, or gemma3-270m, the demo model.", metavar="MODEL"
)


_PROMPT = "- reads it from standard input."
_PROMPTS: dict[bool, Any] = {  # by whether a command needs one
    True: typer.Argument(
        help=f"The prompt; {_PROMPT} Of an encoder-decoder what its decoder goes on with, and only "
        "there it may be left out.",
        metavar="PROMPT",
    ),
    False: typer.Argument(
        help=f"The prompt; {_PROMPT} Left out: random tokens that come twice.", metavar="[PROMPT]"
    ),
}
_CHAT = typer.Option(
    "--chat",
    help="The prompt is what the user says, or messages in JSON; the model's chat template "
    "makes the text.",
)
_ENCODED = typer.Option(
    "--source",
    help="What the encoder of an encoder-decoder reads; - reads it from standard input.",
    show_default=False,
)
_PAIR = typer.Option(
    "--pair",
    help="A second text, for an encoder that reads two together; the prompt is the first.",
    show_default=False,
)
_MASK = typer.Option(
    "--mask",
    help="Positions, with commas, where a masked model reads its mask token: short for "
    '--edit "mask embed positions=3,5".',
    show_default=False,
)


def _of_model(name: str, sentence: str) -> Any:
    return typer.Option(name, help=sentence, rich_help_panel="Model")


# argument of Loading -> its annotation and default
_LOADING: dict[str, tuple[Any, Any]] = {
    "source": (Annotated[str, _SOURCE], inspect.Parameter.empty),
    "dtype": (
        Annotated[
            str | None,
            _of_model(
                "--dtype",
                "float32, bfloat16, float16 or float64; by default float32, or the file's own "
                "with --low-memory and --stream.",
            ),
        ],
        None,
    ),
    "device": (
        Annotated[
            str | None, _of_model("--device", 'Where to compute: "cpu", "cuda", "mps", "auto".')
        ],
        None,
    ),
    "revision": (
        Annotated[str | None, _of_model("--revision", "Branch, tag or commit on the hub.")],
        None,
    ),
    "low_memory": (
        Annotated[bool, _of_model("--low-memory", "Keep weights mapped from their files.")],
        False,
    ),
    "stream": (
        Annotated[
            bool,
            _of_model("--stream", "Read each weight when it is used: for models beyond memory."),
        ],
        False,
    ),
    "trust_remote_code": (
        Annotated[
            bool,
            _of_model(
                "--trust-remote-code",
                "Run Python code that comes with the model. Only for sources that you trust.",
            ),
        ],
        False,
    ),
    "saes": (
        Annotated[
            list[str] | None,
            _of_model(
                "--sae",
                "An autoencoder or transcoder whose latents are then nodes, as L6.F77: a folder, a "
                "file or a path on the hub, with @SITE where its files do not say it. Repeatable.",
            ),
        ],
        None,
    ),
}


def with_loading(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command MODEL and the flags of a model; it gets them as one `loading` argument."""
    own = inspect.signature(command, eval_str=True).parameters.values()

    def wrapped(**given: Any) -> None:
        said = {name: given.pop(name) for name in _LOADING}
        loading = Loading(**{name: one for name, one in said.items() if one is not None})
        command(**given, loading=loading)

    flags = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
        )
        for name, (annotation, default) in _LOADING.items()
    ]
    kept = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in own
        if parameter.name != "loading"
    ]
    return signed(wrapped, command, [flags[0], *kept, *flags[1:]])


def with_prompt(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command PROMPT, --chat, --source and --pair; it gets them as one `prompt`, a `Typed`.

    None where nothing was typed and the command has a default for that; an annotation of its own
    says what that is. --mask becomes the last of its edits.
    """
    own = inspect.signature(command, eval_str=True).parameters
    needed = own["prompt"].default is inspect.Parameter.empty
    (said_as,) = getattr(own["prompt"].annotation, "__metadata__", (_PROMPTS[needed],))

    def wrapped(
        *,
        prompt: str | None,
        chat: bool,
        encoded: str | None,
        pair: str | None,
        mask: str | None,
        **given: Any,
    ) -> None:
        if mask is not None:
            given["edit"] = [*(given["edit"] or ()), f"mask embed positions={mask}"]
        said = typed(prompt, chat=chat, source=encoded, pair=pair, needed=needed)
        command(prompt=said, **given)

    flags = {
        "prompt": (Annotated[str | None, said_as], None),
        "chat": (Annotated[bool, _CHAT], False),
        "encoded": (Annotated[str | None, _ENCODED], None),
        "pair": (Annotated[str | None, _PAIR], None),
        "mask": (Annotated[str | None, _MASK], None),
    }
    made = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in flags.items()
    ]
    kept = [one for name, one in own.items() if name != "prompt"]
    return signed(wrapped, command, [*made, *kept])


def signed(
    wrapped: Callable[..., None],
    command: Callable[..., None],
    parameters: list[inspect.Parameter],
) -> Callable[..., None]:
    """`wrapped` under the name of `command`, with the parameters that Typer is to see."""
    wrapped.__name__, wrapped.__doc__ = command.__name__, command.__doc__
    wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return wrapped


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
    return signed(wrapped, command, [*kept, *flags])


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
