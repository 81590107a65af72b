"""What every question about a run starts from: a prompt, and what is changed while it runs.

Knows no torch and no model.
"""

from __future__ import annotations

from typing import Annotated, Literal, NoReturn

from pydantic import Field, StrictStr

from unembed.engine.nodes import Take
from unembed.errors import EditError, UnembedError
from unembed.options import Count, Number, Numbers, Options, Position, Positions, Prompt
from unembed.questions.operations import BY_NAME, OperationName, described

Stage = Literal["pre", "post"]
Pairs = Annotated[
    list[Annotated[list[Position], Field(min_length=2, max_length=2)]],
    Field(min_length=1, fail_fast=True),
]
JobName = Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9_-]{8,64}$")]


class Prompted(Options):
    """What a model is given: a prompt, and perhaps another text.

    Of an encoder-decoder what its encoder reads, of an encoder the second text of a pair.
    """

    prompt: Prompt
    source: Prompt | None = Field(
        None,
        description="Of an encoder-decoder, and only of one: what its encoder reads. The prompt is "
        "then what its decoder goes on with; empty: its start token alone.",
    )
    pair: StrictStr | None = Field(
        None,
        description="A second text, for an encoder that reads two together; the prompt is then the "
        "first one, a text too.",
    )


class PatchSource(Prompted):
    """Where a patch takes its activation from."""

    source: Prompt | None = Field(
        None, description="Of an encoder-decoder: what its encoder reads there; absent: the same."
    )
    positions: Positions | None = Field(
        None,
        description="Positions there, one for each of the edit's; the same ones if absent. Of a "
        "mean those it is over; absent: all.",
    )
    take: Take = Field(
        "same",
        description="same: of each position what it is there; mean: its mean over the positions "
        "there; drawn: what it is at a position drawn from there. Of the latter two the other "
        "prompt may have any length, and may be the prompt itself.",
    )
    seed: Count = Field(0, description="Of what is drawn.")


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
    pairs: Pairs | None = Field(
        None, description="Of knock_out: positions of query and key; a pair target names its own."
    )
    between: Literal["within", "across"] | None = Field(
        None,
        description="Of knock_out, in place of pairs: all of one text of a sentence pair, or all "
        "across both.",
    )
    renormalise: bool = Field(
        False, description="Of knock_out: the rest of each row sums to what all of it did."
    )
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
        self._check_positions(field)
        self._check_pairs(field)

    def _check_positions(self, field: str) -> None:
        row, n_named = BY_NAME[self.operation], len(self.positions or ())
        if row.places == "one" and self.positions is not None and n_named != 1:
            message = f"{field}.positions must name one position: {row.name} acts at the graph's."
            legal = "one position, or left out"
            refuse(EditError, message, f"{field}.positions", self.positions, legal)
        if row.places == "named" and not n_named and "@" not in self.target:
            message = f"{field}.positions is missing: {row.name} needs positions of tokens."
            refuse(EditError, message, f"{field}.positions", legal="at least one position")
        if row.places == "none" and self.positions is not None:
            message = f"{field}.positions has no meaning for {row.name}, whose pairs say where."
            refuse(EditError, message, f"{field}.positions", self.positions, "left out")

    def _check_pairs(self, field: str) -> None:
        """Pairs of knock_out are named in one way of three, and of no other edit at all."""
        row = BY_NAME[self.operation]
        if row.takes != "pairs":
            for name in ("pairs", "between", "renormalise"):
                if getattr(self, name) not in (None, False):
                    message = f"{field}.{name} has no meaning for {row.name}."
                    refuse(EditError, message, f"{field}.{name}", legal="only with knock_out")
            return
        named = [name for name in ("pairs", "between") if getattr(self, name) is not None]
        said = len(named) + ("<" in self.target)
        if not said:
            message = f"{field}.pairs is missing: {row.name} needs pairs of query and key."
            refuse(EditError, message, f"{field}.pairs", legal="[[14, 3], ...], or between")
        if said > 1:
            message = f"{field}.{named[-1]} names pairs beside those that are named already."
            refuse(EditError, message, f"{field}.{named[-1]}", legal="one of pairs and between")

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
