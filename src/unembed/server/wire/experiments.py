"""What is changed while a prompt runs, and what every analysis starts from; jobs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictStr

from unembed.server.wire.base import Number, Numbers, Operation, Positions, Prompt, Stage, Wire

JobName = Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9_-]{8,64}$")]


class PatchSource(Wire):
    """Where a patch takes its activation from."""

    prompt: Prompt
    positions: Positions | None = Field(
        None, description="Positions there, one for each of the edit's; the same ones if absent."
    )


class EditSpec(Wire):
    """An intervention, as data."""

    target: Annotated[StrictStr, Field(max_length=64)] = Field(
        description='"L12.N512", "L9.H6", "L9.H6@14", "L9.H6@14<3", "L5.attn", "L5.resid_post"; of '
        'cut: a node or link of a flow graph, as "L14.H7.value@3", "L14.z448", '
        '"L14.resid_pre>L14.resid_mid".',
    )
    operation: Operation = Field(
        description='"on" sets a neuron so that it writes as much as the strongest one of its '
        'layer does in the unedited run; "lmd_on" and "lmd_off" are LM-Debugger\'s own on and '
        'off; "cut" takes a node or link of the flow graph out, at one position: the '
        "graph's where `positions` is absent, the last one where there is no graph."
    )
    value: Number | Numbers | None = Field(
        None, description="Factor of scale; value of set_to; vector, or one number, of add."
    )
    positions: Positions | None = Field(
        None, description="Absent: every position; of cut: the graph's, or the last one."
    )
    stage: Stage = Field("post", description="Neurons: before or after the activation function.")
    source: PatchSource | None = Field(None, description="For patch, and only for it.")
    enabled: bool = Field(True, description="False keeps the edit and leaves it out of the run.")


class Experiment(Wire):
    """What every analysis starts from: a prompt, and what is changed while it runs."""

    prompt: Prompt
    edits: Annotated[list[EditSpec], Field(fail_fast=True)] = Field([])
    job: JobName | None = Field(
        None, description="A name of the client's choice, to follow or cancel the work by."
    )


class JobEvent(Wire):
    """One server-sent event of `GET /api/jobs/{job}/events`; the event's name is `state`."""

    job: str
    state: Literal["queued", "running", "done", "cancelled", "failed"]
    stage: str = Field(description='"waiting", "forward pass", "projecting" ...')
    done: int
    total: int
    ahead: int = Field(0, description="Requests ahead in the queue.")
    seconds_left: float | None = None
