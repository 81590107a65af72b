"""The number that an attribution explains, as data: a logit, a difference of logits, a direction,
the score of a label.

    objective = ue.Objective.logit_diff(" Tokyo", " Kyoto")
    run = model.run(prompt, objective.required_capture(model))
    objective.value(run)

An objective names tokens, a position and perhaps a site; it knows no model until it is asked for
its value in a run. Logits are the model's own, after multipliers and soft cap.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from unembed.analyses.tools.labelled import label_score, read_by_head
from unembed.engine.loaded import Loaded
from unembed.engine.names.sites import perhaps_attached, resolve_position
from unembed.engine.passes.run import Run
from unembed.engine.reading.readout import Readout
from unembed.engine.targets import Name, Target
from unembed.errors import InputError, TargetError
from unembed.options import Explained

if TYPE_CHECKING:
    from jaxtyping import Float


Kind = Literal[
    "logit", "logit_diff", "log_prob", "logit_minus_mean", "direction", "activation", "label"
]
Tokens = str | int | Sequence[str | int]
ROWS_AT_ONCE = 16384  # of W_U, made accurate: all of them would be a second copy


@dataclass(frozen=True, eq=False)
class Objective(Explained):
    """What is explained; make one with logit, logit_diff, log_prob, logit_minus_mean, direction,
    activation or label.

    Of several tokens the mean logit counts, and for log_prob the probability of any of them.
    """

    kind: Kind
    tokens: tuple[str | int, ...] = ()
    others: tuple[str | int, ...] = ()
    position: int = -1
    node: Target | None = None
    vector: Tensor | None = field(default=None, repr=False)
    scored: str | int | None = None  # a label, by its name or number

    # ------------------------------------------------------------ making one

    @classmethod
    def logit(cls, token: Tokens, *, position: int = -1) -> Objective:
        """The logit of a token: what the model adds to its log probability, up to a constant."""
        return cls("logit", _several(token, "token"), position=position)

    @classmethod
    def logit_diff(cls, token: Tokens, other: Tokens, *, position: int = -1) -> Objective:
        """The mean logit of some tokens less that of others: why A and not B."""
        tokens, others = _several(token, "token"), _several(other, "other")
        return cls("logit_diff", tokens, others, position=position)

    @classmethod
    def log_prob(cls, token: Tokens, *, position: int = -1) -> Objective:
        """The log probability of a token, in nats; of several, that one of them comes."""
        return cls("log_prob", _several(token, "token"), position=position)

    @classmethod
    def logit_minus_mean(cls, token: Tokens, *, position: int = -1) -> Objective:
        """The logit less the mean over the vocabulary: what raises every logit drops out."""
        return cls("logit_minus_mean", _several(token, "token"), position=position)

    @classmethod
    def direction(cls, site: Name, vector: Tensor, *, position: int = -1) -> Objective:
        """How far an activation reaches along a vector of its width, as a dot product."""
        if vector.dim() != 1 or not bool(vector.isfinite().all()):
            raise InputError(
                f"the direction has shape {list(vector.shape)}; it must be one vector of finite "
                "numbers",
                field="vector",
                value=list(vector.shape),
                legal="[width of the site]",
            )
        node, position = _placed(site, position)
        return cls("direction", position=position, node=node, vector=vector.detach())

    @classmethod
    def activation(cls, node: Name, *, position: int = -1) -> Objective:
        """The activation of one neuron, one entry of z, or one pair of query and key."""
        target, position = _placed(node, position)
        if not target.is_number:
            raise TargetError(
                f"{target.text!r} is more than one number at a position; name a neuron, an entry "
                "or a pair of query and key, or use Objective.direction",
                field="node",
                value=target.text,
                legal='"L12.N512", "L14.z448" or "L9.H6@14<3"',
            )
        return cls("activation", position=position, node=target)

    @classmethod
    def label(cls, label: str | int, *, position: int = -1) -> Objective:
        """The score that a classifier's head gives a label, by its name or number.

        As a logit, before softmax or sigmoid. Of the token at the position, or of the text as a
        whole, which has none: see `Loaded.labels`.
        """
        if isinstance(label, bool) or not isinstance(label, str | int):
            raise InputError(
                f"label is {label!r}; it must be the name of a label, or its number",
                field="label",
                value=repr(label),
                legal='"POSITIVE", or 1',
            )
        return cls("label", position=position, scored=label)

    # ------------------------------------------------------------ what it is

    @property
    def is_of_logits(self) -> bool:
        """Whether the logits of one position are all that it takes."""
        return self.node is None and self.scored is None

    @property
    def words(self) -> str:
        """What it is, in a phrase: "logit of ' Tokyo' less that of ' Paris'"."""
        where = "" if self.position == -1 else f" at position {self.position}"
        if self.node is not None:
            what = "activation of" if self.kind == "activation" else "a direction of the"
            return f"{what} {self.node.words}{where}"
        if self.scored is not None:
            name = repr(self.scored) if isinstance(self.scored, str) else f"number {self.scored}"
            return f"score of the label {name}{where}"
        tokens, others = _listed(self.tokens), _listed(self.others)
        phrases: dict[str, str] = {
            "logit": f"logit of {tokens}",
            "logit_diff": f"logit of {tokens} less that of {others}",
            "log_prob": f"log probability of {tokens}",
            "logit_minus_mean": f"logit of {tokens} less the mean of all",
        }
        return phrases[self.kind] + where

    def at(self, position: int) -> Objective:
        """This objective at another position."""
        return replace(self, position=position)

    def required_capture(self, model: Loaded) -> tuple[str, ...]:
        """What a run must have captured for `value` and `gradient`.

        Nothing in a model without a lens: there its logits are needed. Nor of a label: its run
        must reach the head, with `logits="last"`, and see `gradient`.
        """
        if self.scored is not None:
            return ()
        if self.node is not None:
            node = model.node(self.node, "node")
            return (node.at(self.position, node.key).name,)
        if not model.capabilities()["lens"].available:
            return ()
        return (f"L{model.anatomy.n_layers - 1}.resid_post", "final_norm")

    # ------------------------------------------------------------ its value

    def value(self, run: Run) -> Tensor:
        """Its value in a run, a tensor without axes; differentiable in a run with `grad=True`.

        Raises:
            TargetError: a token, label or position that is not there, or what was not captured.
            CapabilityError: the score of a label, in a model that gives none.
            InputError: the same in a run that did not reach the head.
        """
        if self.scored is not None:
            return label_score(run, self.scored, self.position)
        if self.node is not None:
            return self._of_site(run, self._site(run))
        if self._reads_few and not self._has_logits(run):
            return self._of_few(run)
        return self.of_logits(run.model, self._logits(run)[None])[0]

    def gradient(self, run: Run) -> Tensor:
        """Its gradient at the residual behind the last layer, at the position: [d_model].

        Of a direction or an activation: at that site's activation, of that position. How the
        final norm's scale depends on the residual is in it; direct effects freeze that scale, see
        `effects_on`. Of a label: in a run with `grad=True` that captured that residual, and at the
        one position that the head reads. Raises InputError where that is not so.
        """
        if self.scored is not None:
            with torch.inference_mode(False), torch.enable_grad():
                read = read_by_head(run, self.value(run))
            if len(read) != 1:
                raise InputError(
                    f"the {self.words} depends on the last residual at {len(read)} positions",
                    field="objective",
                    value=len(read),
                    legal="a head that reads one position",
                )
            return next(iter(read.values()))
        with torch.enable_grad():
            if self.node is not None:
                state = self._site(run).detach().clone().requires_grad_()
                value = self._of_site(run, state)
            else:
                final = run[f"L{run.model.anatomy.n_layers - 1}.resid_post"]
                state = final[self._position(run)].detach().clone().requires_grad_()
                normed = run.model.final_norm(state[None])
                logits = run.model.unembedding.logits(normed)
                value = self.of_logits(run.model, logits)[0]
            (found,) = torch.autograd.grad(value, state)
        return found

    def of_logits(self, model: Loaded, logits: Float[Tensor, "n vocab"]) -> Float[Tensor, " n"]:
        """Its value for each row of logits; in float32, or float64 where they are."""
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        tokens, others = self.ids(model)
        parts = logits[:, tokens], logits[:, others]
        return self._combined(*parts, lambda: logits.logsumexp(-1), lambda: logits.mean(-1))

    def of_readout(self, readout: Readout) -> Float[Tensor, " n"]:
        """As `of_logits`, of states that were read with these targets: its tokens, then others.

        A readout for `logit_minus_mean` has the mean, too.
        """
        n = len(self.tokens)
        columns = readout.target_logits
        parts = columns[:, :n], columns[:, n : n + len(self.others)]
        return self._combined(*parts, lambda: readout.logsumexp, lambda: readout.mean[:, 0])

    def ids(self, model: Loaded) -> tuple[list[int], list[int]]:
        """Its tokens and those that stand against them; raises TargetError for what is no token."""
        return [model.token_id(one) for one in self.tokens], [
            model.token_id(one) for one in self.others
        ]

    def _combined(
        self,
        chosen: Float[Tensor, "n tokens"],
        others: Float[Tensor, "n others"],
        logsumexp: Callable[[], Tensor],
        mean: Callable[[], Tensor],
    ) -> Float[Tensor, " n"]:
        """What it makes of the logits of its tokens; the rest is computed where it is needed."""
        if self.kind == "log_prob":
            return chosen.logsumexp(-1) - logsumexp()
        if self.kind == "logit_diff":
            return chosen.mean(-1) - others.mean(-1)
        if self.kind == "logit_minus_mean":
            return chosen.mean(-1) - mean()
        if self.kind == "logit":
            return chosen.mean(-1)
        raise self._no_tokens()

    def weights(self, model: Loaded, logits: Float[Tensor, "1 vocab"]) -> Float[Tensor, " vocab"]:
        """How much each of logits like these counts in it.

        Only a log probability depends on the logits: there they count by their probabilities.
        """
        with torch.enable_grad():
            given = logits.detach().clone().requires_grad_()
            (weights,) = torch.autograd.grad(self.of_logits(model, given)[0], given)
        return weights[0]

    def unembedded(
        self, model: Loaded, logits: Float[Tensor, "1 vocab"]
    ) -> Float[Tensor, " d_unembed"]:
        """The sum of rows of W_U that it is of logits like these, before multipliers and cap."""
        weights = self.weights(model, logits)
        rows = weights.nonzero()[:, 0]
        matrix = model.unembedding.weight
        accurate = torch.promote_types(matrix.dtype, torch.float32)
        total = matrix.new_zeros(matrix.shape[1], dtype=accurate)
        for some in torch.split(rows, ROWS_AT_ONCE):
            total += weights[some].to(total) @ matrix[some.to(matrix.device)].to(accurate)
        return total

    # ------------------------------------------------------------ inside

    def _position(self, run: Run) -> int:
        return resolve_position(self.position, len(run.ids))

    @property
    def _reads_few(self) -> bool:
        """Whether the logits of its tokens are all that it takes."""
        return self.kind in ("logit", "logit_diff")

    def _has_logits(self, run: Run) -> bool:
        """Whether the run kept logits of the position."""
        return run.logits is not None and self._position(run) >= len(run.ids) - len(run.logits)

    def _of_few(self, run: Run) -> Tensor:
        """Its value by the rows of W_U of its tokens alone: a run among many reads no more."""
        return self.of_states(run.model, run["final_norm"][self._position(run), None])[0]

    def of_states(self, model: Loaded, states: Float[Tensor, "n d_unembed"]) -> Float[Tensor, " n"]:
        """Its value for each of a few states that the unembedding reads."""
        if not self._reads_few:
            return self.of_logits(model, model.unembedding.logits(states))
        tokens, others = self.ids(model)
        columns = model.unembedding.logits(states, [*tokens, *others])
        columns = columns.to(torch.promote_types(columns.dtype, torch.float32))
        parts = columns[:, : len(tokens)], columns[:, len(tokens) :]
        return self._combined(*parts, lambda: columns, lambda: columns)

    def _logits(self, run: Run) -> Float[Tensor, " vocab"]:
        """The run's own logits at the position: what it kept, else from what it captured."""
        position = self._position(run)
        if run.logits is not None and self._has_logits(run):
            return run.logits[position - (len(run.ids) - len(run.logits))]
        return run.model.unembedding.logits(run["final_norm"][position, None])[0]

    def _site(self, run: Run) -> Tensor:
        """The activation at the position, of the head or pair that the node names."""
        if self.node is None:
            raise self._no_tokens()
        node = run.model.node(self.node, "node")
        return run.value_of(node.at(self._position(run), node.key))

    def _of_site(self, run: Run, found: Tensor) -> Tensor:
        return found.reshape(()) if self.vector is None else self.along(run.model, found)

    def along(self, model: Loaded, found: Float[Tensor, "*rows width"]) -> Float[Tensor, "*rows"]:
        """How far activations of its site reach along its vector; raises InputError."""
        if self.vector is None:
            raise self._no_tokens()
        if found.shape[-1:] != self.vector.shape:
            raise InputError(
                f"the direction has {len(self.vector)} numbers, and "
                f"{self.node.text if self.node else 'the site'} has {list(found.shape[-1:])} at a "
                f"position of {model.name}",
                field="vector",
                value=list(self.vector.shape),
                legal=str(list(found.shape[-1:])),
            )
        return found @ self.vector.to(found)

    def _no_tokens(self) -> InputError:
        return InputError(
            f"the objective is {self.words}, which is no sum of logits; use logit, logit_diff, "
            "log_prob or logit_minus_mean",
            field="objective",
            value=self.kind,
            legal="logit, logit_diff, log_prob, logit_minus_mean",
        )


def _several(tokens: Tokens, name: str) -> tuple[str | int, ...]:
    found = (tokens,) if isinstance(tokens, str | int) else tuple(tokens)
    if not found:
        raise InputError(
            f"{name} is empty; name at least one token",
            field=name,
            value="[]",
            legal="at least one token",
        )
    return found


def _listed(tokens: Sequence[str | int]) -> str:
    return ", ".join(f"token {one}" if isinstance(one, int) else repr(one) for one in tokens)


def _placed(name: Name, position: int) -> tuple[Target, int]:
    """The node without its position, and the position: that of the name goes first."""
    target = perhaps_attached(name, "node")
    own = target.position
    return replace(target.at(None, target.key), text=target.text), position if own is None else own
