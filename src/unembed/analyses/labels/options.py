"""What can be chosen about the scores of labels. Knows no torch and no model."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictInt

from unembed.options import Options, option


class LabelsOptions(Options):
    """How many labels are listed."""

    top_k: Annotated[StrictInt, Field(ge=1)] = option(
        10,
        "Labels listed of a text, or of each token: those that score highest, on either side.",
        limit="max_k",
        flag="--top-k/-k",
    )
