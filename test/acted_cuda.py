"""A CUDA GPU acted by torch on the CPU, to find what a GPU would refuse or do otherwise.

Every tensor is the host's, and carries a mark of where it would lie. Who mixes devices gets the
error that CUDA gives. A CUDA graph is the list of calls made while it was captured: replaying
repeats them on the same memory, with what the host knew then. What is copied to pinned memory
arrives there when an event is waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

HOST, GPU = torch.device("cpu"), torch.device("cuda", 0)
NAME = "a GPU that is acted"
CAST = torch.autocast

MOVING = {"to", "cpu", "cuda"}
INDEXING = {"__getitem__", "__setitem__", "index_put_"}
READING = {"cpu", "item", "tolist", "numpy", "__bool__", "__int__", "__float__", "nonzero"}
"""What makes the host wait for the GPU."""
ACROSS = {*MOVING, *INDEXING, "copy_", "__deepcopy__", "_has_compatible_shallow_copy_type"}
"""What may be given tensors of both devices."""


def place(tensor: Any) -> torch.device:
    """Where a tensor would lie."""
    return getattr(tensor, "_acted", HOST)


class Graph:
    """What ``torch.cuda.CUDAGraph`` keeps."""

    def __init__(self) -> None:
        self.calls: list[tuple[Callable[[], Any], Any, bool]] = []

    def keep(self, call: Callable[[], Any], results: Any) -> None:
        self.calls.append((call, results, torch.is_autocast_enabled("cpu")))

    def replay(self) -> None:
        for call, results, cast in self.calls:
            with CAST("cpu", enabled=cast, cache_enabled=False), torch._C.DisableTorchFunction():
                again = call()
                for old, new in zip(tree_leaves(results), tree_leaves(again), strict=True):
                    if isinstance(old, Tensor):
                        old.copy_(new)


class Acting(TorchFunctionMode):
    """While it is entered, 'cuda' is a device that this thread's tensors can lie on."""

    capturing: Graph | None = None

    def __init__(self) -> None:
        super().__init__()
        self.pinned: set[int] = set()
        self.landing: list[Callable[[], Any]] = []
        """Copies to pinned memory that nobody has waited for."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name = dict(kwargs or {}), getattr(func, "__name__", "")
        if name in ("__get__", "__set__"):
            return _attribute(func, name, args)
        given = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
        self._check(name, args, given)
        if name == "copy_" and kwargs.get("non_blocking") and _memory(args[0]) in self.pinned:
            self.landing.append(partial(args[0].copy_, args[1].clone()))
            return args[0]
        pinned = kwargs.pop("pin_memory", False)
        asked, args, kwargs = _asked(name, args, kwargs)
        if name == "cuda":
            func, args, kwargs = Tensor.to, (args[0], HOST), {}
        result = func(*args, **kwargs)
        there = asked or place(args[0] if name in ACROSS else next(filter(_on_gpu, given), result))
        if self.capturing and (there == GPU or any(map(_on_gpu, given))):
            if name in MOVING and there != place(args[0]):
                raise RuntimeError(f"{name}: operation not permitted when stream is capturing")
            self.capturing.keep(partial(func, *args, **kwargs), result)
        if name in MOVING and result is args[0] and there != place(result):
            result = result.clone()
        for one in tree_leaves(result):
            if isinstance(one, Tensor) and not any(one is other for other in given):
                _mark(one, there)
                if pinned:
                    self.pinned.add(_memory(one))
        return result

    def _check(self, name: str, args: Any, given: list[Tensor]) -> None:
        """Refuse what CUDA refuses."""
        reading = name in READING and any(map(_on_gpu, given))
        if self.capturing and (reading or _cut_by_gpu(name, args)):
            raise RuntimeError(f"{name}: operation not permitted when stream is capturing")
        if reading and name == "numpy":
            raise TypeError("can't convert cuda:0 device type tensor to numpy")
        if name in INDEXING:
            _check_index(name, args)
        elif name not in ACROSS:
            _check_alike(name, given)


def _attribute(func: Any, name: str, args: Any) -> Any:
    """Get or set an attribute of a tensor."""
    attribute = func.__self__.__name__
    if attribute in ("device", "is_cuda") and name == "__get__":
        return place(args[0]) if attribute == "device" else _on_gpu(args[0])
    found = func(*args)
    if attribute == "data" and name == "__set__":
        _mark(args[0], place(args[1]))
    elif isinstance(found, Tensor):
        _mark(found, place(args[0]))
    return found


def _on_gpu(tensor: Tensor) -> bool:
    return place(tensor) == GPU


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _mark(tensor: Tensor, there: torch.device) -> None:
    if there != place(tensor):
        tensor._acted = there


def _asked(
    name: str, args: Any, kwargs: Any
) -> tuple[torch.device | None, tuple[Any, ...], dict[str, Any]]:
    """The device that a call asks for, if any, and its arguments with the host instead."""
    asked = {"cpu": HOST, "cuda": GPU}.get(name)
    args = list(args)
    given = [(kwargs, "device")] if kwargs.get("device") is not None else []
    if name == "to":
        given += [(args, n) for n, value in enumerate(args) if n and _is_place(value)]
    for among, key in given:
        value = among[key]
        there = place(value) if isinstance(value, Tensor) else torch.device(value)
        asked = GPU if there.type == "cuda" else HOST
        if not isinstance(value, Tensor):
            among[key] = HOST
    return asked, tuple(args), kwargs


def _is_place(value: Any) -> bool:
    return isinstance(value, (Tensor, torch.device, str))


def _check_alike(name: str, given: list[Tensor]) -> None:
    """Numbers of the host, and nothing else of it, may go with tensors of the GPU."""
    if len({place(one) for one in given if one.ndim or _on_gpu(one)}) > 1:
        told = ", ".join(f"{tuple(one.shape)} on {place(one)}" for one in given)
        raise RuntimeError(f"{name}: Expected all tensors to be on the same device: {told}")


def _check_index(name: str, args: Any) -> None:
    """Places may lie on the host, what is put there may not, unless it is a whole slice's."""
    places = [one for one in tree_leaves(args[1]) if isinstance(one, Tensor)]
    if not _on_gpu(args[0]) and any(map(_on_gpu, places)):
        raise RuntimeError(f"{name}: indices should be on the CPU, as the indexed tensor is")
    if len(args) > 2 and places and isinstance(args[2], Tensor) and args[2].ndim:
        _check_alike(name, [args[0], args[2]])


def _cut_by_gpu(name: str, args: Any) -> bool:
    """Whether the host has to know numbers of the GPU as the bounds of a slice."""
    if name not in INDEXING:
        return False
    cuts = [one for one in tree_leaves(args[1]) if isinstance(one, slice)]
    bounds = [bound for cut in cuts for bound in (cut.start, cut.stop, cut.step)]
    return any(isinstance(bound, Tensor) and _on_gpu(bound) for bound in bounds)


@contextmanager
def acted_cuda() -> Iterator[None]:
    """Within it, torch seems to have a GPU, in this thread and in pools that are made."""
    acting, plain = Acting(), torch.nn.Parameter.__new__
    generator = torch.Generator

    class Event:
        def record(self) -> None:
            self.before, acting.landing = acting.landing, []

        def synchronize(self) -> None:
            with torch._C.DisableTorchFunction():
                for arrive in self.before:
                    arrive()

    @contextmanager
    def graph(kept: Graph) -> Iterator[None]:
        acting.capturing = kept
        try:
            yield
        finally:
            acting.capturing = None

    class Autocast:
        def __new__(cls, device_type: str, *how: Any, **named: Any) -> Any:
            return CAST("cpu", *how, **named)

    class Generator:
        def __new__(cls, device: Any = None) -> Any:
            return generator()

    class Stream:
        def wait_stream(self, other: Any) -> None:
            pass

    class Pool(ThreadPoolExecutor):
        def submit(self, task: Any, *given: Any, **named: Any) -> Any:
            def within() -> Any:
                with Acting():
                    return task(*given, **named)

            return super().submit(within)

    def parameter(cls: Any, data: Any = None, requires_grad: bool = True) -> Any:
        made = plain(cls, data, requires_grad)
        _mark(made, place(data))
        return made

    acted = {
        "is_available": lambda: True,
        "is_bf16_supported": lambda **how: True,
        "get_device_name": lambda device=None: NAME,
        "current_stream": Stream,
        "Stream": Stream,
        "stream": lambda stream: nullcontext(),
        "CUDAGraph": Graph,
        "graph": graph,
        "Event": Event,
        "is_current_stream_capturing": lambda: acting.capturing is not None,
        "manual_seed_all": lambda seed: None,
    }
    with pytest.MonkeyPatch.context() as patch, acting:
        for name, instead in acted.items():
            patch.setattr(torch.cuda, name, instead)
        patch.setattr(torch, "autocast", Autocast)
        patch.setattr(torch, "Generator", Generator)
        patch.setattr(torch.nn.Parameter, "__new__", parameter)
        for module in ("ahead", "optimiser"):
            patch.setattr(f"mmser_ros.train.{module}.ThreadPoolExecutor", Pool)
        yield
