"""The app's files, read once from the package; a request only ever looks one up by its exact path.

No path of a request is joined to a folder, so none can leave it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from starlette.responses import Response

FOLDER = Path(__file__).parent / "static"

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".json": "application/json",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}

_NOT_BUILT = b"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Unembed</title></head><body>
<h1>The app is not built</h1>
<p>The server runs, but its pages are missing from this checkout. Build them once, with Node 20:</p>
<pre>make app</pre>
<p>and start the server again. A wheel of Unembed contains them already.</p>
</body></html>
"""


@dataclass(frozen=True)
class Asset:
    """One file of the app."""

    content: bytes
    media_type: str
    immutable: bool

    def response(self) -> Response:
        """What a browser gets; names under assets/ carry a hash of the content, so they last."""
        lasting = "public, max-age=31536000, immutable"
        headers = {"Cache-Control": lasting if self.immutable else "no-cache"}
        return Response(self.content, 200, headers, self.media_type)


def load(folder: Path = FOLDER) -> dict[str, Asset]:
    """Path of a URL -> file: index.html, favicon.svg and what lies under assets/."""
    index = folder / "index.html"
    if not index.is_file():
        page = Asset(_NOT_BUILT, _TYPES[".html"], immutable=False)
        return {"/": page, "/index.html": page}
    assets = {"/": _asset(index, False), "/index.html": _asset(index, False)}
    icon = folder / "favicon.svg"
    if icon.is_file():
        assets["/favicon.svg"] = _asset(icon, False)
    for path in sorted((folder / "assets").rglob("*")):
        if path.is_file() and path.suffix in _TYPES and not path.is_symlink():
            assets["/" + path.relative_to(folder).as_posix()] = _asset(path, True)
    return assets


def _asset(path: Path, immutable: bool) -> Asset:
    return Asset(path.read_bytes(), _TYPES[path.suffix], immutable)
