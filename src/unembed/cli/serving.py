"""`unembed demo` and `unembed serve`: load a model, say where it is served, and serve it."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import webbrowser

from rich.console import Console
from rich.panel import Panel

from unembed.cli.loading import Loading, load, uncollected
from unembed.settings import Settings


def serve(
    loading: Loading, settings: Settings, *, token: str | None, hosts: list[str], browser: bool
) -> None:
    """Serve until Ctrl-C. The port is bound first: a busy one is found before the model loads."""
    from unembed.server import launch

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as orderly an end as Ctrl-C
    out, err = Console(soft_wrap=True), Console(stderr=True)
    secret = launch.choose_token(token)
    sock, settings = launch.bind(settings)
    with sock:
        if not launch.is_loopback(settings.host):
            err.print(_warning(settings, hosts))
        model = load(loading, settings, err)
        with uncollected():
            from unembed.server.app import create_app
            from unembed.session import Session
        gc.freeze()  # what is here by now stays: no later collection need walk it

        session = Session(model, settings)
        where = launch.address(settings, secret)

        def ready() -> None:
            out.print(f"Unembed serves {model.name} at\n\n    {where}\n", highlight=False)
            out.print("Press Ctrl-C to stop.")
            if browser and has_browser():
                webbrowser.open(where)

        try:
            launch.serve(create_app(session, settings, secret, hosts=hosts), sock, settings, ready)
        finally:
            session.close()
    out.print("Stopped.")


def demo_loading(settings: Settings) -> Loading:
    """The demo model. Its licence is named when it is about to be used for the first time."""
    from unembed.models import demo

    if not demo.folder(settings).is_dir():
        Console(stderr=True, soft_wrap=True).print(demo.NOTICE, highlight=False)
        logging.getLogger(demo.__name__).setLevel(logging.ERROR)  # it would say so once more
    return Loading(demo.NAME)


def has_browser() -> bool:
    """A person sits here: not an automatic build, and a display where displays are needed."""
    if os.environ.get("CI"):
        return False
    if sys.platform.startswith(("win", "darwin")):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _warning(settings: Settings, hosts: list[str]) -> Panel:
    text = (
        f"[bold]The server listens on {settings.host}, beyond this machine.[/bold]\n"
        "Whoever knows the token can use it, and without encryption anyone on the way can read the "
        "token and all prompts. Safer: leave --host out and forward the port with ssh."
    )
    if settings.host in ("0.0.0.0", "::") and not hosts:
        text += "\nOnly loopback names are answered until you add --allow-host NAME."
    return Panel(text, title="Warning", style="red")
