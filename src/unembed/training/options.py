"""What can be chosen about the training of an autoencoder. Knows no torch and no model."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StrictInt

from unembed.options import Count, Name, Number, Options, Positive, option

Trained = Literal["topk", "batchtopk", "jumprelu"]
RUNNING = ("checkpoint", "restart")  # these change no number


class TrainOptions(Options):
    """What is trained, on how much, and how."""

    latents: Annotated[StrictInt, Field(ge=1, le=4_194_304)] = option(
        4096, "How many latents it is to have."
    )
    k: Positive = option(
        32,
        "How many of them are active at a token: of TopK at most, of BatchTopK in the mean of a "
        "batch, of JumpReLU about, since its loss aims at it.",
    )
    activation: Trained = option("topk", 'Which are active: "topk", "batchtopk" or "jumprelu".')
    skip: bool = option(False, "Of a transcoder: a linear map beside the latents, learnt with it.")
    tokens: Positive = option(
        1_000_000, "How many tokens are learnt from; one that is used again counts again."
    )
    uses: Annotated[StrictInt, Field(ge=1, le=100)] = option(
        1, "How often each activation is used before others take its place: runs cost most."
    )
    batch: Annotated[StrictInt, Field(ge=2, le=65_536)] = option(1024, "Tokens of one step.")
    buffer: Annotated[StrictInt, Field(ge=2, le=16_777_216)] = option(
        32_768, "Tokens whose activations are held, and shuffled, at once; at least a batch."
    )
    learning_rate: Annotated[Number, Field(gt=0, le=1)] | None = option(
        None, "The largest of Adam; absent: 0.0002 x sqrt(16384 / latents)."
    )
    dead_after: Positive = option(
        100_000,
        "A latent that is 0 at so many tokens in a row is dead: it learns from what the others "
        "leave unexplained.",
    )
    context: Annotated[StrictInt, Field(ge=8, le=4096)] = option(
        128, "Of files: longest stretch that is read at once, in tokens; a corpus has sentences."
    )
    column: Name = option("text", "Where the text is in JSONL, Parquet and data sets.")
    held_out: Positive = option(
        2048, "Tokens, in whole sequences, that nothing is learnt from: measures are of them."
    )
    checkpoint: Positive = option(
        100_000, "Tokens from one checkpoint, with measures, to the next."
    )
    seed: Count = option(0, "How it begins, what is held out, and the order of the rest.")
    restart: bool = option(False, "Train anew what is there, or half done.")

    @property
    def rate(self) -> float:
        """The largest learning rate."""
        given = self.learning_rate
        return float(given) if given is not None else 2e-4 * (16_384 / self.latents) ** 0.5

    @property
    def n_steps(self) -> int:
        return max(1, self.tokens // self.batch)

    @property
    def block(self) -> int:
        """Tokens of the buffer, a whole number of batches."""
        return max(1, self.buffer // self.batch) * self.batch

    def deciding(self) -> dict[str, Any]:
        """The options that numbers depend on."""
        return {name: one for name, one in self.values().items() if name not in RUNNING}
