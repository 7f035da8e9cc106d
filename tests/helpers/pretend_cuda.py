"""A CUDA device that is not there: tensors that say they are on it, compute on the CPU, and never mix with the CPU's.

On a machine with one device code that leaves a tensor on the wrong one goes unseen. Here each operation looks at the devices
of its arguments as CUDA's do, and the results are real, so that loops that look at a loss or count what is done come to their
end. `waits` lists what would make the CPU wait for a GPU.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only

DEVICE = torch.device("cuda", 0)
_COPIES = {torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default}
_TAKES_CPU_INDICES = {torch.ops.aten.index.Tensor, torch.ops.aten.index_put_.default}
_SIZED_BY_VALUES = {
    torch.ops.aten._local_scalar_dense.default,
    torch.ops.aten.nonzero.default,
    torch.ops.aten.masked_select.default,
    torch.ops.aten.equal.default,
    torch.ops.aten._unique2.default,
    torch.ops.aten.repeat_interleave.Tensor,
}
"""Operations whose result, or its size, the CPU needs."""
FREE_MEMORY = 1 << 30
_waits: list[str] = []


class OnDevice(torch.Tensor):
    """A tensor that says it is on the device; `held` has its values."""

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> "OnDevice":
        return torch.Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            requires_grad=held.requires_grad,
        )  # below Python it is of the CPU: autograd has no streams to look for

    def __init__(self, held: torch.Tensor) -> None:
        self.held = held

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        """Where code that asks is told it is."""
        return DEVICE

    is_cuda = True

    def __repr__(self) -> str:
        return f"OnDevice({self.held})"

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        with torch._C.DisableTorchFunctionSubclass():
            if function is torch.Tensor.cpu:
                return _ToCpu.apply(args[0])
            if function is torch.Tensor.to and isinstance(args[0], OnDevice):
                return _moved(args[0], *args[1:], **kwargs)
            if function is torch.Tensor.new_tensor:
                _waits.append("new_tensor")
                return _wrapped(torch.tensor(args[1], dtype=kwargs.get("dtype", args[0].dtype)), True)
            if function is torch.Tensor.numpy:
                raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first.")
            return function(*args, **kwargs)

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _dispatch(function, args, kwargs or {})


class _ToCpu(torch.autograd.Function):
    """The one way off the device; gradients go the way back."""

    @staticmethod
    def forward(context: Any, tensor: OnDevice) -> torch.Tensor:
        _waits.append("to the CPU")
        return tensor.held.clone()

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> torch.Tensor:
        return _wrapped(gradient, True)


def _moved(tensor: OnDevice, *args: Any, **kwargs: Any) -> torch.Tensor:
    """Tensor.to of a tensor on the device: itself where nothing is asked of it that it is not."""
    if args and isinstance(args[0], torch.Tensor):
        device, dtype, memory_format = args[0].device, args[0].dtype, None
    else:
        copy = kwargs.pop("copy", False)
        device, dtype, _, memory_format = torch._C._nn._parse_to(*args, **kwargs)
        if copy:
            tensor = tensor.clone()
    if device is not None and device.type == "cpu":
        moved = _ToCpu.apply(tensor)
        return moved.to(dtype) if dtype else moved
    wanted = {name: value for name, value in (("dtype", dtype), ("memory_format", memory_format)) if value is not None}
    return torch.Tensor.to(tensor, **wanted) if wanted else tensor


class _Factories(TorchDispatchMode):
    """What makes tensors out of nothing, or moves plain ones, to the device."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _dispatch(function, args, kwargs or {})


def _dispatch(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    tensors = [item for item in tree_flatten((args, kwargs))[0] if isinstance(item, torch.Tensor)]
    ours = [tensor for tensor in tensors if isinstance(tensor, OnDevice)]
    _check(function, args, tensors, ours)
    device = kwargs.get("device")
    if kwargs.get("pin_memory"):
        args, kwargs = tree_map_only(OnDevice, lambda tensor: tensor.held, (args, kwargs | {"pin_memory": False}))
        result = function(*args, **kwargs)
        result.pinned = True
        return result
    if _makes_wait(function, args, kwargs, ours):
        _waits.append(str(function))
    # Below Python a tensor on the device is of the CPU, so that operations on it name that as the device of their result.
    here = bool(ours) or (device is not None and torch.device(device).type == "cuda")
    if function is torch.ops.aten.copy_.default:
        here = isinstance(args[0], OnDevice)
    if not ours and not here:
        return function(*args, **kwargs)
    if device is not None:
        kwargs = kwargs | {"device": torch.device("cpu")}
    args, kwargs = tree_map_only(OnDevice, lambda tensor: tensor.held, (args, kwargs))
    result = function(*args, **kwargs)
    if function._schema.is_mutable and ours:  # in place: the very tensor that was given is given back
        known = {id(tensor.held): tensor for tensor in ours}
        return tree_map_only(
            torch.Tensor, lambda tensor: known[id(tensor)] if id(tensor) in known else _wrapped(tensor, here), result
        )
    return tree_map_only(torch.Tensor, lambda tensor: _wrapped(tensor, here), result)


def _makes_wait(function: Any, args: Any, kwargs: dict[str, Any], ours: list[torch.Tensor]) -> bool:
    """Whether CUDA would have the CPU wait until the work that is queued is done."""
    if function is torch.ops.aten._to_copy.default:
        goes = kwargs.get("device") is not None and torch.device(kwargs["device"]).type == "cuda" and not ours
        return goes and not (kwargs.get("non_blocking") and hasattr(args[0], "pinned"))
    if function is torch.ops.aten.copy_.default and ours and len(ours) < 2:
        outside = args[1] if isinstance(args[0], OnDevice) else args[0]
        return not ((kwargs.get("non_blocking") or args[2:] == (True,)) and hasattr(outside, "pinned"))
    if function in _TAKES_CPU_INDICES and ours:
        indices = [index for index in args[1] if index is not None]
        return any(index.dtype in (torch.bool, torch.uint8) or not isinstance(index, OnDevice) for index in indices)
    return bool(ours) and function in _SIZED_BY_VALUES


def waits() -> list[str]:
    """What would have waited since the last call."""
    found = list(_waits)
    _waits.clear()
    return found


class _Event:
    """Of work that is never known to be done before it is waited for."""

    def record(self, stream: Any = None) -> None:
        """Nothing is queued: it is done at once."""

    def query(self) -> bool:
        return False

    def synchronize(self) -> None:
        """It is done already."""


class _Stream:
    """A queue in which everything is done at once."""

    def __init__(self, device: torch.device) -> None:
        assert device.type == "cuda"

    def wait_stream(self, other: "_Stream") -> None:
        """The other one is done."""


def _wrapped(tensor: torch.Tensor, here: bool) -> torch.Tensor:
    return OnDevice(tensor) if here and not isinstance(tensor, OnDevice) else tensor


def _strides(tensor: torch.Tensor) -> tuple[int, ...]:
    """Those that matter: of a dimension of one there is nothing to step over."""
    return tuple(stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True) if size != 1)


def _check(function: Any, args: Any, tensors: list[torch.Tensor], ours: list[torch.Tensor]) -> None:
    """As CUDA does: a tensor of the CPU may only be a scalar, an index, or what is copied from or to.

    The fused optimizers of CUDA, unlike those of the CPU, refuse gradients that lie in memory otherwise than their weights.
    """
    if (
        "_fused_" in str(function)
        and len(
            {tuple(_strides(tensor) for tensor in part) for part in args if isinstance(part, list) and part and part[0].dim()}
        )
        > 1
    ):
        raise RuntimeError("params, grads and states must have same dtype, device, and layout")
    strangers = [tensor for tensor in tensors if not isinstance(tensor, OnDevice) and tensor.dim() > 0]
    if not ours or not strangers or function in _COPIES:
        return
    if function in _TAKES_CPU_INDICES and isinstance(tensors[0], OnDevice):
        return
    raise RuntimeError(f"{function}: expected all tensors to be on the same device, but found cuda:0 and cpu")


@contextmanager
def pretended() -> Iterator[torch.device]:
    """The device for the length of a block; the generator of a device that is not there needs no keeping."""
    whole, begin = torch.random.fork_rng, torch.cuda._lazy_init
    lift = torch._C._only_lift_cpu_tensors()

    def fork_rng(devices: Any = None, **options: Any) -> Any:
        return whole(devices=[], **options)

    before = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.random.fork_rng, torch.cuda._lazy_init = fork_rng, lambda: None
    torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(..., device="cuda") is then seen here, too
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    cuda = mock.patch.multiple(
        torch.cuda,
        device=lambda index: nullcontext(),
        Event=_Event,
        Stream=_Stream,
        stream=lambda stream: nullcontext(),
        current_stream=_Stream,
        mem_get_info=lambda device: (FREE_MEMORY, FREE_MEMORY),
    )
    waits()
    try:
        with cuda, mock.patch.object(torch.Tensor, "record_stream", lambda tensor, stream: None), _Factories():
            yield DEVICE
    finally:
        torch.random.fork_rng, torch.cuda._lazy_init = whole, begin
        torch._C._set_only_lift_cpu_tensors(lift)
        torch.__future__.set_overwrite_module_params_on_conversion(before)
