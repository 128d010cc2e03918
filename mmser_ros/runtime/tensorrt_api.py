"""TensorRT and TensorRT-RTX: which is here, how they differ, and what both are asked to do.

All that depends on versions is in this file. Both have the same Python interface; TensorRT-RTX
runs on RTX cards only and compiles its kernels when a plan is first run, so that it builds plans
on machines without a GPU.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmser_ros.runtime.cuda_device import probe_driver
from mmser_ros.runtime.engine import EngineError

log = logging.getLogger(__name__)

OLDEST = (10, 3)
"""TensorRT of JetPack 6."""

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """Shapes that a plan accepts, (lowest, best, highest) by input: best for the second."""

    shapes: Mapping[str, tuple[Shape, ...]]
    values: Mapping[str, tuple[int, int, int]]
    """The same for inputs that decide shapes; they lie on the host, one number each."""


class Api:
    """One of the two packages."""

    def __init__(self, package: str) -> None:
        """Raises EngineError if the package is missing, broken or too old."""
        self.rtx = package == "tensorrt_rtx"
        name = package.replace("_", "-")
        try:
            self._trt: Any = importlib.import_module(package)
        except (ImportError, OSError) as error:
            raise EngineError(
                f"The package {name} cannot be imported ({error}): pip install 'mmser-ros[{name}]'"
            ) from error
        self.version: str = self._trt.__version__
        """As the package has it."""
        self.backend = f"{name} {self.version}"
        """Name and version, as in EngineInfo."""
        if not self.rtx and _numbers(self.version) < OLDEST:
            raise EngineError(
                f"TensorRT {self.version} is too old; {'.'.join(map(str, OLDEST))} or later "
                "is needed, as in JetPack 6."
            )
        self._logger = _logger(self._trt)
        self._runtime: Any = None

    def build(self, proto: Any, profiles: Sequence[Profile], capability: str = "") -> bytes:
        """A plan for a strongly typed ONNX graph that holds its weights.

        TensorRT needs the GPU on which the plan will run. TensorRT-RTX needs none, only its
        compute ``capability``, such as 8.6; without it the plan is for all of Ampere and later.
        Raises EngineError.
        """
        if not self.rtx:
            probe_driver()
        target = self._target(capability) if self.rtx and capability else None
        trt = self._trt
        builder = trt.Builder(self._logger)
        flags = trt.NetworkDefinitionCreationFlag
        typed = 1 << int(flags.STRONGLY_TYPED) if hasattr(flags, "STRONGLY_TYPED") else 0
        network = builder.create_network(typed)
        parser = trt.OnnxParser(network, self._logger)
        if not parser.parse(proto.SerializeToString()):
            errors = [str(parser.get_error(number)) for number in range(parser.num_errors)]
            raise EngineError(f"{self.backend} cannot read the graph: {'; '.join(errors)}")
        config = builder.create_builder_config()
        config.clear_flag(trt.BuilderFlag.TF32)  # single precision is meant where it is written
        if target is not None:
            config.num_compute_capabilities = 1
            config.set_compute_capability(target, 0)
        for profile in profiles:
            config.add_optimization_profile(self._profile(builder, profile))
        plan = builder.build_serialized_network(network, config)
        if plan is None:
            raise EngineError(f"{self.backend} cannot build the graph: {self._complaints()}")
        return bytes(plan)

    def _target(self, capability: str) -> Any:
        known = self._trt.ComputeCapability.__members__
        name = f"SM{capability.replace('.', '')}"
        if name not in known:
            served = ", ".join(other for other in known if other.startswith("SM"))
            raise EngineError(
                f"TensorRT-RTX does not serve this GPU, whose compute capability is {capability} "
                f"(only {served}); install TensorRT: pip install 'mmser-ros[tensorrt]'"
            )
        return known[name]

    def _profile(self, builder: Any, profile: Profile) -> Any:
        made = builder.create_optimization_profile()
        for name, shapes in profile.shapes.items():
            made.set_shape(name, *shapes)
        for name, values in profile.values.items():
            made.set_shape_input(name, *((value,) for value in values))
        return made

    def load(self, plan: bytes | memoryview) -> Any:
        """A plan made ready for this GPU. Raises EngineError, also for one that is not for it."""
        probe_driver()
        if self._runtime is None:
            self._runtime = self._trt.Runtime(self._logger)
        loaded = self._runtime.deserialize_cuda_engine(plan)
        if loaded is None:
            raise EngineError(f"{self.backend} cannot load the plan: {self._complaints()}")
        return loaded

    def context(self, loaded: Any, profile: int, stream: int) -> Context:
        """What runs a loaded plan in the shapes of one of its profiles."""
        made = self._made(loaded)
        if made is None or not made.set_optimization_profile_async(profile, stream):
            raise EngineError(f"{self.backend} cannot run the plan: {self._complaints()}")
        return Context(made, self._complaints)

    def _made(self, loaded: Any) -> Any:
        if not self.rtx:
            return loaded.create_execution_context()
        config = loaded.create_runtime_config()
        # kernels for a shape are ready when it is first run, not some time after: CUDA graphs
        # would keep the general ones
        strategies = self._trt.DynamicShapesKernelSpecializationStrategy
        config.dynamic_shapes_kernel_specialization_strategy = strategies.EAGER
        return loaded.create_execution_context(config)

    def _complaints(self) -> str:
        """What the library has said since the last time, for the end of a sentence."""
        said: list[str] = self._logger.errors
        text = "; ".join(said) or "it does not say why"
        said.clear()
        return text


class Context:
    """Runs one plan in the shapes of one profile."""

    def __init__(self, made: Any, complaints: Any) -> None:
        self._made, self._complaints = made, complaints

    def shape(self, name: str, shape: Shape) -> None:
        """The shape of an input from now on."""
        if not self._made.set_input_shape(name, shape):
            raise EngineError(f"'{name}' cannot have the shape {shape}: {self._complaints()}")

    def bind(self, name: str, address: int) -> None:
        """Where an input or output lies from now on."""
        if not self._made.set_tensor_address(name, address):
            raise EngineError(f"'{name}' cannot be bound: {self._complaints()}")

    def run(self, stream: int) -> None:
        """Begin to compute."""
        if not self._made.execute_async_v3(stream):
            raise EngineError(f"TensorRT does not run: {self._complaints()}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def _logger(trt: Any) -> Any:
    """A logger of TensorRT that writes to this module's, and keeps errors for exceptions."""
    levels = {
        trt.ILogger.INTERNAL_ERROR: logging.ERROR,
        trt.ILogger.ERROR: logging.ERROR,
        trt.ILogger.WARNING: logging.DEBUG,
        trt.ILogger.INFO: logging.DEBUG,
    }

    class Logger(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            level = levels.get(severity)
            if level == logging.ERROR:
                self.errors.append(message.strip())
            elif level is not None:
                log.log(level, message)

    return Logger()
