"""Who waits for the lock of a corpus is watched."""

from __future__ import annotations

from unembed.index import versions


def watched(monkeypatch, then) -> None:
    """`then()` is called by who waits, as often as it looks."""
    real = versions.VersionedFolder._acquire

    def acquire(self, progress):
        def heard(what, done, total):
            assert what == "waiting for another process"
            then()
            if progress is not None:
                progress(what, done, total)

        real(self, heard)

    monkeypatch.setattr(versions.VersionedFolder, "_acquire", acquire)
