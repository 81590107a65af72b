"""From states of the last residual to what the unembedding reads, by the model's own modules."""

from __future__ import annotations

from torch import Tensor, nn

from unembed.errors import InputError
from unembed.models.anatomy import HeadAnatomy


class _Reached(Exception):  # noqa: N818 - a signal, not an error
    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.value = value


def final_norm(module: nn.Module, head: HeadAnatomy | None, states: Tensor) -> Tensor:
    """See Loaded.final_norm; the caller has the module to itself."""
    if head is None:
        raise InputError("this model has no unembedding")
    shape = states.shape
    value = states.reshape(1, -1, shape[-1])
    for name in head.chain:
        value = module.get_submodule(name)(value)
    if head.container is not None:
        value = _until_unembedding(module, head.container, head.unembedding, value)
    if head.factor != 1.0:
        value = value * head.factor
    return value.reshape(*shape[:-1], value.shape[-1])


def _until_unembedding(
    module: nn.Module, container: str, unembedding: str, value: Tensor
) -> Tensor:
    """Run a head module up to what its unembedding is given."""

    def stop(_module: nn.Module, args: tuple[Tensor, ...]) -> None:
        raise _Reached(args[0])

    handle = module.get_submodule(unembedding).register_forward_pre_hook(stop)
    try:
        module.get_submodule(container)(value)
    except _Reached as reached:
        return reached.value
    finally:
        handle.remove()
    raise InputError(f"{container} did not reach {unembedding}")
