"""What a question over many pairs of prompts starts from. Knows no torch and no model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from unembed.analyses.patching.pairs import PromptPair, TemplateName, pair_template
from unembed.errors import InputError
from unembed.options import option
from unembed.questions.experiment import JobName, Request, refuse


class OverPairs(Request):
    """Pairs of one's own, or those of a template."""

    template: TemplateName | None = option(None, "Pairs that come with the package.")
    pairs: Annotated[list[PromptPair], Field(min_length=1, fail_fast=True)] | None = option(
        None, "Pairs of your own, in place of a template.", limit="max_pairs"
    )
    job: JobName | None = Field(
        None, description="A name of the client's choice, to follow or cancel the work by."
    )

    def check(self) -> None:
        """Raises InputError unless there are pairs, or a template: one of both."""
        if (self.pairs is None) == (self.template is None):
            message = "The request must have pairs or a template, and not both."
            refuse(InputError, message, "pairs", None, "pairs, or a template")

    def all_pairs(self) -> Sequence[PromptPair]:
        """Those that are asked about."""
        return self.pairs or () if self.template is None else pair_template(self.template)
