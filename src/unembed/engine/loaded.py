"""What was loaded: a module with its tokenizer, its anatomy and its identity, before any pass.

Everything that runs the model takes this; `Model` is this with the ways to run it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unembed.engine.capabilities import Capability, capabilities_of
from unembed.engine.derived import Attachable, Derived, without_stems
from unembed.engine.exclusive import exclusive_use_of
from unembed.engine.names import prompts, texts, token_ids, vocabulary
from unembed.engine.names.sites import check_target, parse_target
from unembed.engine.names.taps import refuse
from unembed.engine.names.tokens import Token, TokenReader
from unembed.engine.nodes import UNREAD
from unembed.engine.provenance import Identity, Kind, Provenance, versions
from unembed.engine.reading.final_norm import final_norm
from unembed.engine.reading.maps import Maps
from unembed.engine.reading.unembedding import Unembedding
from unembed.engine.targets import Name, Target
from unembed.errors import CapabilityError, TargetError
from unembed.models.anatomy import Anatomy
from unembed.models.fingerprint import State
from unembed.models.labels import Labels, labels_of
from unembed.models.maps import (
    Held,
    bias_of,
    device_of,
    input_embeddings,
    named_tensor,
    weight_in_out,
)
from unembed.models.modes import in_evaluation
from unembed.models.multimodal import placeholders
from unembed.settings import Settings

Text = str | Sequence[int] | Sequence[texts.Message] | Mapping[str, Any] | Tensor | NDArray[Any]
Prompt = Text | vocabulary.Sourced | vocabulary.SentencePair | vocabulary.Read


class Loaded(Maps):
    """A module with what is known of it.

    Uses of one module never overlap: threads wait for each other.
    """

    def __init__(
        self,
        module: nn.Module,
        tokenizer: Any,
        anatomy: Anatomy,
        identity: Identity,
        settings: Settings,
        max_positions: int,
        volatile: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(module, anatomy, identity.name)
        self.tokenizer = tokenizer
        self.identity = identity
        self.settings = settings
        self.max_positions = max_positions
        self.volatile = volatile
        # whether its cache, of keys and values or states, can be gone on from; None: not tried yet
        self.keeps_states: bool | None = None
        self.derived: dict[str, Derived] = {}  # by kind: nodes that were attached
        self._exclusive_use = exclusive_use_of(module)
        self._reader = TokenReader(tokenizer)
        self._unembedding: Unembedding | None = None
        self._unembedding_of: Held | None = None

    # ------------------------------------------------------------ what it is

    @property
    def kind(self) -> Kind:
        return self.identity.kind

    @property
    def has_encoder(self) -> bool:
        """Whether it is an encoder-decoder, which reads a source beside its prompt."""
        return self.anatomy.encoder is not None

    @property
    def decoder_start(self) -> int | None:
        """The token that the decoder of an encoder-decoder starts every text with."""
        for config in (getattr(self.module, "generation_config", None), self.module.config):
            for name in ("decoder_start_token_id", "bos_token_id"):
                found = getattr(config, name, None)
                if isinstance(found, int):
                    return found
        return None

    @property
    def family(self) -> str:
        return self.anatomy.family

    @property
    def fingerprint(self) -> str:
        """What tells this model from all others: every weight as it is now, and the tokenizer.

        Computed when it is first asked for, or in the background; then this waits for it. Whether
        it still holds is looked up by adding all weights up, 0.2 s for a gigabyte.
        """
        return self.reread().fingerprint

    @property
    def state(self) -> State:
        """The model as it is now: the same object as before unless weights were changed since.

        Writes that torch does not count, through `.data` or a numpy view, only `reread` notices.
        """
        return self.identity.watched.now()

    def reread(self, *, often: bool = False) -> State:
        """`state`, after a look at every weight: notices writes that torch does not count.

        `often`: one of a large model that was made some seconds ago will do.
        """
        return self.identity.watched.reread(often=often)

    @property
    def licence(self) -> str | None:
        return self.identity.licence

    @property
    def vocab_size(self) -> int:
        return self.anatomy.vocab_size

    @property
    def dtype(self) -> torch.dtype:
        return next(p.dtype for p in self.module.parameters() if p.is_floating_point())

    @property
    def device(self) -> torch.device:
        """Where token ids go."""
        return device_of(input_embeddings(self.module))

    @cached_property
    def labels(self) -> Labels | None:
        """The labels that its head gives to texts or tokens; None of a language model."""
        return labels_of(self.module)

    @cached_property
    def placeholders(self) -> Mapping[int, str]:
        """What each token stands for that a picture or sound takes the place of; most have none."""
        return placeholders(self.module.config)

    @cached_property
    def n_token_types(self) -> int:
        """How many types of token its embedding tells apart, as the two texts of a pair; 0: none.

        Only of masked models, and where the tokenizer says types: RoBERTa has some that nobody
        gives it.
        """
        given = inspect.signature(type(self.module).forward).parameters
        said = getattr(self.tokenizer, "model_input_names", ["token_type_ids"])
        if self.kind != "masked" or "token_type_ids" not in given or "token_type_ids" not in said:
            return 0
        return int(getattr(self.module.config, "type_vocab_size", 0) or 0)

    @property
    def mask_token(self) -> str | None:
        """Text of the mask token of a masked model."""
        if self.kind != "masked" or self.tokenizer is None:
            return None
        return self.tokenizer.mask_token  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        anatomy, word = self.anatomy, type(self).__name__
        return (
            f"{word}({self.name!r}, {self.family}, {self.kind}, layers={anatomy.n_layers}, "
            f"heads={anatomy.n_heads}, d_model={anatomy.d_model}, {self.dtype}, {self.device})"
        )

    def capabilities(self) -> dict[str, Capability]:
        """What can be asked of this model, with the reason for each thing that cannot."""
        return dict(self._capabilities)

    @cached_property
    def _capabilities(self) -> dict[str, Capability]:
        return capabilities_of(self, self.anatomy)

    def require(self, capability: str) -> None:
        """Raise CapabilityError, with the reason, unless the model can do this."""
        found = self._capabilities[capability]
        if not found.available:
            raise CapabilityError(
                f"{self.name} cannot do this ({capability}): {found.reason}", field=capability
            )

    def node(self, name: Name, field: str = "target") -> Target:
        """The node or site of this name, which may be one that was attached (see `derived`).

        Raises TargetError for what this model does not have.
        """
        target = self.read_name(name, field)
        check_target(target, self.anatomy, self.name, field)
        if target.row.derived:
            refuse(self.anatomy, target.site_key, self.name, field)
            self.attached(target, field).check(target, self.name, field)
        return target

    def read_name(self, name: Name, field: str = "target") -> Target:
        """As `node`, without looking whether the model has as many."""
        written = name.text if isinstance(name, Target) and name.row is UNREAD else name
        target = parse_target(written, field, [one.row for one in self.derived.values()])
        attached = self.derived.get(target.kind) if target.row.derived else None
        return target if attached is None else attached.placed(target)

    def attach(self, *parts: Attachable, verify: bool = True) -> None:
        """Give the model further nodes, as autoencoders' latents: all of them, or none.

        Args:
            parts: what `load_sae` gave; one for each site. Latents of the first of a layer are
                named "L6.F77", of further ones with their site, "L6.mlp_out.F77".
            verify: hold each against this model first, and refuse what does not fit.

        Raises:
            LoadError: one that does not fit, or two of one site.
        """
        before = dict(self.derived)
        try:
            for part in parts:
                made = part.attached_to(self, verify)
                self.derived[made.row.kind] = made
        except BaseException:
            self.derived = before
            raise

    def detach(self, *stems: str) -> None:
        """Take off everything that was attached, or what has nodes of these stems: "L6.F".

        Raises TargetError for a stem that nothing attached has; then nothing is taken off.
        """
        self.derived = without_stems(self.derived, stems, self.name) if stems else {}

    def attached(self, target: Target, field: str = "target") -> Derived:
        """What computes a derived node; raises TargetError where it is not attached here."""
        found = self.derived.get(target.kind)
        if found is None or found.row != target.row:
            raise TargetError(
                f"{target.text} is a {target.row.title} of maps that {self.name} does not have "
                "attached",
                field=field,
                value=target.text,
                legal=", ".join(self.derived) or "nothing is attached",
            )
        return found

    # ------------------------------------------------------------ tokens

    def tokenize(self, prompt: Prompt) -> tuple[int, ...]:
        """Token ids of a prompt; `read_prompt` also says what was done to it.

        Text; messages ([{"role": "user", "content": "Hello"}], through the chat template); token
        ids, or a tensor or array of them, [pos] or [1, pos]; or what a tokenizer returns, whose
        attention mask says which are pads: those are left out. Of an encoder-decoder a `Sourced`,
        of an encoder perhaps a `SentencePair`.

        A special token that starts or ends the text already is not added again, and none is added
        after a text that a causal model continues.

        Raises:
            PromptError: empty, too long, not encodable, or an id outside the vocabulary.
        """
        return prompts.read(self, prompt).ids

    def read_prompt(
        self, prompt: Prompt | None, source: Text | None = None, pair: str | None = None
    ) -> vocabulary.Read:
        """Token ids of a prompt, with notes: sentences about what was done to it.

        `source` is what the encoder of an encoder-decoder reads; a `Sourced` prompt has both.
        `pair` is a second text for an encoder that reads two together, as in a `SentencePair`.
        """
        return prompts.read(self, prompt, source, pair)

    def token(self, token_id: int) -> Token:
        """The token with this id."""
        return self._reader.token(token_id)

    def tokens(self, ids: Sequence[int]) -> tuple[Token, ...]:
        """The tokens with these ids."""
        return tuple(self._reader.token(int(token_id)) for token_id in ids)

    def named(self, text: str) -> int | None:
        """The id of the token whose text, name in the vocabulary, or label this is."""
        return self._reader.named(text)

    def token_id(self, token: str | int) -> int:
        """The id of one token. Raises TargetError unless the text is exactly one token."""
        return token_ids.token_id(self, token)

    # ------------------------------------------------------------ from residual to logits

    @property
    def unembedding(self) -> Unembedding:
        """W_U with what the model does to its logits. Raises CapabilityError without one."""
        self.require("lens")
        head = self.anatomy.head
        if head is None:
            raise CapabilityError(f"{self.name} has no unembedding")
        linear = self.module.get_submodule(head.unembedding)
        loose = None if head.bias is None else named_tensor(self.module, head.bias)
        held = Held(linear, *(() if loose is None else (loose,)))
        if self._unembedding is None or not held.same(self._unembedding_of):
            self._unembedding_of = held
            bias = bias_of(linear) if loose is None else loose.reshape(-1)
            self._unembedding = Unembedding(
                weight_in_out(linear).T[: self.vocab_size],  # some pad it, and drop the rest
                None if bias is None else bias[: self.vocab_size],
                scale=head.multiplier,
                divisor=head.divisor,
                softcap=head.softcap,
                chunk_bytes=self.settings.chunk_bytes,
            )
        return self._unembedding

    def final_norm(self, states: Tensor) -> Tensor:
        """What the unembedding reads, for states of the last residual: [..., d_model] each.

        Runs the model's own modules between the last block and the unembedding: the final norm,
        and in masked models the head's transform.
        """
        self.require("lens")
        with self._exclusive_use.held(running=False), in_evaluation(self.module):
            return final_norm(self.module, self.anatomy.head, states)

    @contextmanager
    def evaluating(self, grad: bool = False, running: bool = False) -> Iterator[None]:
        """The model alone, every part in evaluation mode; without a graph unless asked for."""
        with (
            self._exclusive_use.held(running),
            in_evaluation(self.module),
            torch.inference_mode(False),  # its tensors count no versions: see Instrument
            torch.set_grad_enabled(grad),
        ):
            yield

    def provenance(self) -> Provenance:
        """Where numbers from this model come from."""
        stated = {
            "model": self.name,
            "revision": self.identity.revision or "",
            "dtype": str(self.dtype).removeprefix("torch."),
            "device": str(self.device),
            **versions(),
        }
        return Provenance(self.state, stated)
