"""What is learnt, and one step of learning it. Knows no model and no texts.

Activations are scaled to a mean length of sqrt(d), so that one learning rate serves every site; the
autoencoder that comes out is in the activations' own units. The loss is the share of the variance
that is left, and

- of what the alive latents leave, the share that the best of the dead ones leave, times 1/32 (AuxK:
  Gao et al. 2024, appendix A.2), so that dead latents come back;
- of JumpReLU, (L0 / k - 1)²; what jumps gets the gradient of a window around the threshold
  (Rajamanoharan et al. 2024, section 4 and appendix F).

The decoder's rows are of length 1 after every step; of their gradient only what turns them counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor
from torch.autograd import Function

from unembed.engine.targets import SiteKey
from unembed.latents.autoencoder import Autoencoder, Weights, largest
from unembed.latents.description import Description
from unembed.training.activations import Rows
from unembed.training.options import TrainOptions

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

BETAS, EPSILON = (0.9, 0.999), 1e-8  # of Adam
WARMUP, DECAY = 0.05, 0.2  # parts of the steps in which the rate rises, and falls to 0
AUX = 1 / 32
WINDOW = 0.2  # around a threshold, in units of scaled pre-activations
FOLLOWS = 0.01  # how fast BatchTopK's threshold follows what is active in batches
FIRST = 1024  # tokens that thresholds begin with


class Learner:
    """The parameters of an autoencoder that is learnt, and what Adam keeps of each.

    Args:
        rows: some activations, whose scale, mean and variance it begins with.
        reads, writes: one site, or of a transcoder two.
    """

    def __init__(self, options: TrainOptions, reads: SiteKey, writes: SiteKey, rows: Rows) -> None:
        self.options, self.reads, self.writes = options, reads, writes
        self.is_transcoder = reads != writes
        self.step = 0
        self.facts = _facts_of(rows)
        self.params = _initial(options, rows, self.facts, self.is_transcoder)
        self._moments = {name: torch.zeros_like(one) for name, one in self.params.items()}
        self._squares = {name: torch.zeros_like(one) for name, one in self.params.items()}
        self.silent = torch.zeros(options.latents, dtype=torch.int64, device=rows.x.device)
        self.threshold = torch.zeros((), dtype=rows.x.dtype, device=rows.x.device)
        if options.activation == "jumprelu":
            self._begin_thresholds(rows)

    # ------------------------------------------------------------ one step

    def learn(self, rows: Rows) -> float:
        """One step on a batch; returns the share of the variance that was left before it."""
        x, y = rows.x * self.facts["scale_in"], rows.y * self.facts["scale_out"]
        leaves = {name: one.requires_grad_() for name, one in self.params.items()}
        pre = self._pre(x)
        values = self._active(pre)
        left = y - self._written(values, x)
        share = left.square().sum() / (len(x) * self.facts["variance"])
        loss = share + self._sparsity(pre) + self._revived(pre, left.detach())
        grads = torch.autograd.grad(loss, list(leaves.values()))
        with torch.no_grad():
            for one in self.params.values():
                one.requires_grad_(False)
            self._adam(dict(zip(leaves, grads, strict=True)))
            self._noted(values)
        return float(share.detach())

    def _pre(self, x: Float[Tensor, "row d_in"]) -> Float[Tensor, "row n"]:
        held = self.params
        shifted = x if self.is_transcoder else x - held["b_dec"]
        return shifted @ held["W_enc"] + held["b_enc"]

    def _active(self, pre: Float[Tensor, "row n"]) -> Float[Tensor, "row n"]:
        kind, k = self.options.activation, self.options.k
        if kind == "jumprelu":
            threshold = self.params["log_threshold"].exp()
            # torch declares no types for `apply`
            return cast(Tensor, _Jump.apply(pre, threshold))  # type: ignore[no-untyped-call]
        values = torch.relu(pre)
        if kind == "topk":
            return largest(values, k)
        return largest(values.reshape(1, -1), k * len(values)).reshape(values.shape)

    def _written(
        self, values: Float[Tensor, "row n"], x: Float[Tensor, "row d_in"]
    ) -> Float[Tensor, "row d_out"]:
        written = values @ self.params["W_dec"] + self.params["b_dec"]
        return written + x @ self.params["skip"] if "skip" in self.params else written

    def _sparsity(self, pre: Float[Tensor, "row n"]) -> Tensor | float:
        if self.options.activation != "jumprelu":
            return 0.0
        threshold = self.params["log_threshold"].exp()
        # torch declares no types for `apply`
        counted = cast(Tensor, _Step.apply(pre, threshold))  # type: ignore[no-untyped-call]
        return (counted.sum() / (len(pre) * self.options.k) - 1).square()

    def _revived(
        self, pre: Float[Tensor, "row n"], left: Float[Tensor, "row d_out"]
    ) -> Tensor | float:
        """What the dead latents leave of what is left, of all that they could explain of it."""
        dead, whole = self.dead, left.square().sum()
        n_dead = int(dead.sum())
        if not n_dead or not float(whole):
            return 0.0
        values = largest(torch.relu(pre[:, dead]), min(n_dead, max(1, left.shape[1] // 2)))
        beyond = left - values @ self.params["W_dec"][dead]
        return AUX * beyond.square().sum() / whole

    @property
    def dead(self) -> Bool[Tensor, " n"]:
        """Which latents were 0 for too long."""
        return self.silent >= self.options.dead_after

    def _rate(self) -> float:
        n, done = self.options.n_steps, self.step
        rises = min(1.0, (done + 1) / max(1.0, WARMUP * n))
        falls = min(1.0, (n - done) / max(1.0, DECAY * n))
        return self.options.rate * max(0.0, min(rises, falls))

    def _adam(self, grads: Mapping[str, Tensor]) -> None:
        rate, count = self._rate(), self.step + 1
        first, second = (1 - beta**count for beta in BETAS)
        for name, grad in grads.items():
            one = self.params[name]
            if name == "W_dec":
                grad = grad - (grad * one).sum(-1, keepdim=True) * one
            moment = self._moments[name].mul_(BETAS[0]).add_(grad, alpha=1 - BETAS[0])
            square = self._squares[name].mul_(BETAS[1]).addcmul_(grad, grad, value=1 - BETAS[1])
            one.sub_(rate * (moment / first) / ((square / second).sqrt() + EPSILON))
        self.params["W_dec"].copy_(_unit(self.params["W_dec"]))
        self.step = count

    def _noted(self, values: Float[Tensor, "row n"]) -> None:
        """Which latents are silent, and from where on BatchTopK's are active."""
        active = values > 0
        self.silent += len(values)
        self.silent[active.any(0)] = 0
        if self.options.activation == "batchtopk" and bool(active.any()):
            least = values[active].min()
            known = float(self.threshold) > 0
            self.threshold = torch.lerp(self.threshold, least, FOLLOWS) if known else least

    def _begin_thresholds(self, rows: Rows) -> None:
        """Those that leave k latents active at a token."""
        pre = self._pre(rows.x[:FIRST] * self.facts["scale_in"])
        n = min(pre.numel(), self.options.k * len(pre))
        least = pre.flatten().topk(n).values[-1].clamp_min(WINDOW)
        self.params["log_threshold"].fill_(float(least.log()))

    # ------------------------------------------------------------ what comes out

    def autoencoder(self, layout: str) -> Autoencoder:
        """What was learnt, in the activations' own units, as files of `layout` will hold it."""
        held, kind = self.params, self.options.activation
        into, out = self.facts["scale_in"], self.facts["scale_out"]
        threshold = None
        if kind == "jumprelu":
            threshold = held["log_threshold"].exp() / out
        elif kind == "batchtopk":
            threshold = (self.threshold / out).expand(self.options.latents).clone()
        weights = Weights(
            W_enc=held["W_enc"] * (into / out),
            W_dec=held["W_dec"].clone(),
            b_enc=held["b_enc"] / out,
            b_dec=held["b_dec"] / out,
            threshold=threshold,
            skip=held["skip"] * (into / out) if "skip" in held else None,
        )
        return Autoencoder(self._described(layout, weights), weights)

    def _described(self, layout: str, weights: Weights) -> Description:
        is_topk = self.options.activation == "topk"
        return Description(
            layout=layout,
            kind="transcoder" if self.is_transcoder else "sae",
            activation="topk" if is_topk else "jumprelu",
            d_in=weights.W_enc.shape[0],
            d_out=weights.W_dec.shape[1],
            n=self.options.latents,
            reads=self.reads,
            writes=self.writes,
            k=self.options.k if is_topk else None,
            subtract_bias=not self.is_transcoder,
        )

    # ------------------------------------------------------------ kept

    def state(self) -> dict[str, Tensor]:
        """All that another learner needs to go on to the last bit."""
        kind = self.threshold.dtype
        numbers = {name: torch.tensor(one, dtype=torch.float64) for name, one in self.facts.items()}
        return {
            "step": torch.tensor(self.step),
            "silent": self.silent,
            "threshold": self.threshold.to(kind),
            **{f"fact.{name}": one for name, one in numbers.items()},
            **{f"param.{name}": one for name, one in self.params.items()},
            **{f"moment.{name}": one for name, one in self._moments.items()},
            **{f"square.{name}": one for name, one in self._squares.items()},
        }

    def take(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave; of another shape it raises KeyError or RuntimeError."""
        self.step = int(state["step"])
        self.silent.copy_(state["silent"])
        self.threshold.copy_(state["threshold"])
        self.facts = {name: float(state[f"fact.{name}"]) for name in self.facts}
        kept = (("param", self.params), ("moment", self._moments), ("square", self._squares))
        for word, tensors in kept:
            for name, one in tensors.items():
                one.copy_(state[f"{word}.{name}"])


# ---------------------------------------------------------------- how it begins


def _facts_of(rows: Rows) -> dict[str, float]:
    """What activations are multiplied with, and the variance of what is written, so scaled."""
    into, out = (_scale(one) for one in (rows.x, rows.y))
    spread = (rows.y - rows.y.mean(0)).square().sum(-1).mean() * out**2
    return {"scale_in": into, "scale_out": out, "variance": max(float(spread), 1e-12)}


def _scale(rows: Float[Tensor, "row d"]) -> float:
    length = float(rows.norm(dim=-1).mean())
    return float(rows.shape[1] ** 0.5 / length) if length > 0 else 1.0


def _initial(
    options: TrainOptions, rows: Rows, facts: Mapping[str, float], is_transcoder: bool
) -> dict[str, Tensor]:
    """Random decoder rows of length 1, the encoder their transpose where that fits."""
    draw = torch.Generator().manual_seed(options.seed)
    n, d_in, d_out = options.latents, rows.x.shape[1], rows.y.shape[1]

    def random(width: int) -> Tensor:
        return _unit(torch.randn(n, width, generator=draw, dtype=torch.float64)).to(rows.x)

    decoder = random(d_out)
    encoder = (decoder if d_in == d_out else random(d_in)).T.contiguous()
    found = {
        "W_enc": encoder.clone(),
        "b_enc": torch.zeros_like(encoder[0]),
        "W_dec": decoder,
        "b_dec": rows.y.mean(0) * facts["scale_out"],
    }
    if is_transcoder:  # nothing is taken off before its encoder
        found["b_enc"] = -(rows.x.mean(0) * facts["scale_in"]) @ encoder
    if options.skip:
        found["skip"] = rows.x.new_zeros(d_in, d_out)
    if options.activation == "jumprelu":
        found["log_threshold"] = torch.zeros_like(encoder[0])
    return found


def _unit(rows: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    found: Tensor = rows / rows.norm(dim=-1, keepdim=True).clamp_min(1e-12)
    return found


# ---------------------------------------------------------------- what jumps


def _window(pre: Tensor, threshold: Tensor) -> Tensor:
    """1/WINDOW in the window around the threshold, else 0: what stands for a jump's derivative."""
    inside: Tensor = (pre - threshold).abs() < WINDOW / 2
    return inside.to(pre) / WINDOW


class _Jump(Function):
    """pre where it is above the threshold, else 0."""

    @staticmethod
    def forward(context: Any, pre: Tensor, threshold: Tensor) -> Tensor:
        context.save_for_backward(pre, threshold)
        return pre * (pre > threshold)

    @staticmethod
    def backward(context: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        pre, threshold = context.saved_tensors
        grad = grads[0]
        return grad * (pre > threshold), -(threshold * grad * _window(pre, threshold)).sum(0)


class _Step(Function):
    """1 where pre is above the threshold, else 0."""

    @staticmethod
    def forward(context: Any, pre: Tensor, threshold: Tensor) -> Tensor:
        context.save_for_backward(pre, threshold)
        return (pre > threshold).to(pre)

    @staticmethod
    def backward(context: Any, *grads: Tensor) -> tuple[None, Tensor]:
        pre, threshold = context.saved_tensors
        return None, -(grads[0] * _window(pre, threshold)).sum(0)
