"""Every error that Unembed raises on purpose.

    UnembedError
    ├── InputError            what the caller passed cannot be used              400
    │   ├── PromptError         the prompt: empty, too long, not encodable       400
    │   ├── TargetError         a site, node or token that does not exist        400
    │   ├── EditError           an edit that cannot be applied                   400
    │   └── IndexMissingError   no index of this model was built                 400
    ├── LoadError             the model cannot be loaded                         422
    ├── CapabilityError       this model cannot do this, and why                 422
    ├── TooLargeError         the request costs more than the limits allow       413
    ├── CancelledError        the caller cancelled, or left                      499
    ├── BusyError             the queue is full                                  503
    └── TimedOutError         the request took longer than the limit             504

Each carries what a person needs to mend it: `field`, `value`, `legal`, `fix`. The message is a
complete sentence by itself; the server sends the parts as well, so that the app can point at the
field.
"""

from __future__ import annotations

from typing import ClassVar


class UnembedError(Exception):
    """The root of every error raised on purpose."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "error"

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        value: object = None,
        legal: str | None = None,
        fix: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.value = value
        self.legal = legal
        self.fix = fix


class InputError(UnembedError):
    """What the caller passed cannot be used."""

    status = 400
    code = "bad_input"


class PromptError(InputError):
    """The prompt is empty, too long, or cannot be encoded."""

    code = "bad_prompt"


class TargetError(InputError):
    """A site, node or token that this model does not have."""

    code = "bad_target"


class EditError(InputError):
    """An edit that cannot be applied."""

    code = "bad_edit"


class IndexMissingError(InputError):
    """There is no index of this model; the message says how to build one."""

    code = "no_index"


class LoadError(UnembedError):
    """The model cannot be loaded."""

    status = 422
    code = "cannot_load"


class CapabilityError(UnembedError):
    """This model cannot do what was asked; the message says why."""

    status = 422
    code = "not_capable"


class TooLargeError(UnembedError):
    """The request would cost more than the limits in `settings` allow."""

    status = 413
    code = "too_large"


class CancelledError(UnembedError):
    """The caller cancelled the work, or went away."""

    status = 499
    code = "cancelled"


class BusyError(UnembedError):
    """The compute queue is full."""

    status = 503
    code = "busy"


class TimedOutError(UnembedError):
    """The request took longer than the limit."""

    status = 504
    code = "timed_out"
