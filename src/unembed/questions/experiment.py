"""What every question about a run starts from: a prompt, and what is changed while it runs.

Knows no torch and no model.
"""

from __future__ import annotations

from typing import Annotated, Literal, NoReturn

from pydantic import Field, StrictStr

from unembed.errors import EditError, UnembedError
from unembed.options import Number, Numbers, Options, Positions, Prompt
from unembed.questions.operations import BY_NAME, OperationName, described

Stage = Literal["pre", "post"]
JobName = Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9_-]{8,64}$")]


class Prompted(Options):
    """What a model is given: a prompt, and of an encoder-decoder what its encoder reads."""

    prompt: Prompt
    source: Prompt | None = Field(
        None,
        description="Of an encoder-decoder, and only of one: what its encoder reads. The prompt is "
        "then what its decoder goes on with; empty: its start token alone.",
    )


class PatchSource(Prompted):
    """Where a patch takes its activation from."""

    source: Prompt | None = Field(
        None, description="Of an encoder-decoder: what its encoder reads there; absent: the same."
    )
    positions: Positions | None = Field(
        None, description="Positions there, one for each of the edit's; the same ones if absent."
    )


class EditSpec(Options):
    """An intervention, as data."""

    target: Annotated[StrictStr, Field(max_length=64)] = Field(
        description='"L12.N512", "L9.H6", "L9.H6@14", "L9.H6@14<3", "L5.attn", "L5.resid_post"; of '
        'cut: a node or link of a flow graph, as "L14.H7.value@3", "L14.z448", '
        '"L14.resid_pre>L14.resid_mid".',
    )
    operation: OperationName = Field(description=described())
    value: Number | Numbers | None = Field(
        None, description="Factor of scale; value of set_to; vector, or one number, of add."
    )
    positions: Positions | None = Field(
        None, description="Absent: every position; of cut: the graph's, or the last one."
    )
    stage: Stage = Field("post", description="Neurons: before or after the activation function.")
    sign: Literal[1, -1] = Field(
        1,
        description="Of on: -1 sets a negative activation, which writes the neuron's value vector "
        "the other way round.",
    )
    source: PatchSource | None = Field(None, description="For patch, and only for it.")
    enabled: bool = Field(True, description="False keeps the edit and leaves it out of the run.")

    def check(self, field: str) -> None:
        """That the parts fit the operation; raises EditError that names one below `field`."""
        row = BY_NAME[self.operation]
        if row.takes == "source" and self.source is None:
            refuse(
                EditError, f"{field}.source is missing: {row.name} needs one.", f"{field}.source"
            )
        if row.takes != "source" and self.source is not None:
            message = f"{field}.source has no meaning for {row.name}."
            refuse(EditError, message, f"{field}.source", legal="only with patch")
        self._check_value(field)
        if not row.stage and self.stage != "post":
            message = (
                f"{field}.stage has no meaning for {row.name}, which says itself where it acts."
            )
            refuse(EditError, message, f"{field}.stage", self.stage, "left out")
        if not row.sign and self.sign != 1:
            message = f"{field}.sign has no meaning for {row.name}."
            refuse(EditError, message, f"{field}.sign", self.sign, "left out, or with on")
        if row.one_position and self.positions is not None and len(self.positions) != 1:
            message = f"{field}.positions must name one position: {row.name} acts at the graph's."
            legal = "one position, or left out"
            refuse(EditError, message, f"{field}.positions", self.positions, legal)

    def _check_value(self, field: str) -> None:
        row = BY_NAME[self.operation]
        takes_value = row.takes in ("number", "vector")
        if not takes_value and self.value is not None:
            message = f"{field}.value has no meaning for {row.name}."
            refuse(EditError, message, f"{field}.value", self.value)
        if takes_value and self.value is None:
            message = f"{field}.value is missing: {row.name} needs one."
            refuse(EditError, message, f"{field}.value", legal="a number, or for a site a vector")
        if row.takes == "number" and isinstance(self.value, list):
            message = f"{field}.value must be one number for {row.name}."
            refuse(EditError, message, f"{field}.value", self.value, "one number")


Edits = Annotated[list[EditSpec], Field(fail_fast=True)]


class Request(Options):
    """The base of every request."""

    def check(self) -> None:
        """What fields say together, where each alone is right; raises InputError."""


class Experiment(Prompted, Request):
    """What every analysis starts from: a prompt, and what is changed while it runs."""

    edits: Edits = Field([])
    job: JobName | None = Field(
        None, description="A name of the client's choice, to follow or cancel the work by."
    )

    @property
    def n_runs(self) -> int:
        """1, and 2 where an edit is enabled: the baseline and the edited run."""
        return 2 if any(edit.enabled for edit in self.edits) else 1


def refuse(
    kind: type[UnembedError],
    message: str,
    field: str,
    value: object = None,
    legal: str | None = None,
) -> NoReturn:
    """Raise an error about a field of a request."""
    raise kind(message, field=field, value=value, legal=legal)
