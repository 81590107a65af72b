"""Commands that take a text which may start with a dash: "-5 + 3 =" is a prompt, and no option."""

from __future__ import annotations

import re
from typing import Any

from typer.core import TyperCommand

_A_TEXT = re.compile(r"-.*\s|-\d", re.DOTALL)  # no option has a space, or begins with a digit


class TextCommand(TyperCommand):
    """Reads a text that starts with a dash as what it is, where it can be no option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As click does; on an unknown option the texts go behind "--", or the error says so."""
        given = list(args)  # click empties the list that it is given
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            if type(error).__name__ != "NoSuchOption":  # of click, or of typer's copy of it
                raise
            unknown: Any = error
            texts = [one for one in given if _A_TEXT.match(one)]
            if not texts or "--" in given:
                unknown.message = (
                    f"{unknown.message.rstrip('.')}. A text that starts with a dash stands last, "
                    'behind --: unembed run MODEL -- "-x = 3"'
                )
                raise
            rest = [one for one in given if one not in texts]
            return super().parse_args(ctx, [*rest, "--", *texts])
