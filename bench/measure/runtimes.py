"""What a network can be run by: eager torch, torch with norms folded or compiled, ONNX Runtime, OpenVINO."""

import copy
import importlib
import importlib.util
import io
import sys
import tempfile
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from skipbench.bench.errors import BenchError
from skipbench.bench.training.machine import MachineError
from skipbench.registry import Registry

Precision = Literal["32-true", "bf16-mixed", "int8"]
MemoryFormat = Literal["contiguous", "channels_last"]
Outputs = Tensor | list[Tensor]  # of a network, several where it predicts at all levels
Forward = Callable[[Tensor], Outputs]


class Runtime(ABC):
    """One way to run a network in evaluation mode.

    `precisions` and `memory_formats` are those it takes; `packages` what it needs beside torch, and `extra`
    is the extra of this project that brings them.
    """

    precisions: ClassVar[tuple[Precision, ...]] = ("32-true", "bf16-mixed")
    memory_formats: ClassVar[tuple[MemoryFormat, ...]] = ("contiguous",)
    devices: ClassVar[tuple[str, ...]] = ("cpu",)
    packages: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = ""

    @classmethod
    def available(cls) -> bool:
        """Return whether the packages that it needs are installed."""
        return all(importlib.util.find_spec(name) for name in cls.packages)

    @abstractmethod
    def prepare(self, model: nn.Module, images: Tensor, precision: Precision) -> Forward:
        """Return the network as a function from images to logits, ready for images (N, C, H, W) like those given.

        `model` and `images` are on the device and in the memory format that is meant. The function runs in
        torch.inference_mode and on torch's number of threads.
        """


def random_images(model: nn.Module, count: int, size: tuple[int, int], seed: int = 0) -> Tensor:
    """Return images (count, C, H, W) that `model` takes, uniform in [0, 1), drawn from `seed`.

    C is what the network's spec says; a network without a spec takes RGB.
    """
    channels = getattr(getattr(model, "spec", None), "in_channels", 3)
    return torch.rand(count, channels, *size, generator=torch.Generator().manual_seed(seed))


RUNTIMES: Registry[type[Runtime]] = Registry("runtime", None, BenchError)


def prepare(
    model: nn.Module, images: Tensor, name: str, precision: Precision, memory_format: MemoryFormat
) -> Forward:
    """Return `model` as a function on images (N, C, H, W) on the images' device, by the runtime `name`.

    The model itself is put into evaluation mode, on that device and into that memory format.
    Raises MachineError where the runtime lacks a package, or does not know the precision, format or device.
    """
    runtime = RUNTIMES[name]
    require(name, precision, memory_format, images.device.type)
    layout = torch.channels_last if memory_format == "channels_last" else torch.contiguous_format
    placed = model.eval().to(images.device, memory_format=layout)  # type: ignore[call-overload]
    return runtime().prepare(placed, images.contiguous(memory_format=layout), precision)


def require(name: str, precision: Precision, memory_format: MemoryFormat, device: str = "cpu") -> None:
    """Raise MachineError with one sentence where the runtime `name` cannot run so here."""
    runtime = RUNTIMES[name]
    for what, asked, known in (
        ("precision", precision, runtime.precisions),
        ("memory format", memory_format, runtime.memory_formats),
        ("device", device, runtime.devices),
    ):
        if asked not in known:
            raise MachineError(f"runtime '{name}' does not run with {what} '{asked}'. Choices: {', '.join(known)}.")
    if not runtime.available():
        raise MachineError(
            f"runtime '{name}' needs {', '.join(runtime.packages)}: pip install skipbench[{runtime.extra}]."
        )


class _Torch(Runtime):
    memory_formats: ClassVar[tuple[MemoryFormat, ...]] = ("contiguous", "channels_last")
    devices = ("cpu", "cuda")


def _autocast(forward: Forward, images: Tensor, precision: Precision) -> Forward:
    if precision == "32-true":
        return forward

    def run(batch: Tensor) -> Outputs:
        with torch.autocast(images.device.type, torch.bfloat16):
            return forward(batch)

    return run


@RUNTIMES.register("eager")
class Eager(_Torch):
    """torch as it is."""

    def prepare(self, model: nn.Module, images: Tensor, precision: Precision) -> Forward:
        """Return the model itself, under autocast where the precision is mixed."""
        return _autocast(model, images, precision)


@RUNTIMES.register("folded")
class Folded(_Torch):
    """torch, each batch norm folded into the convolution before it."""

    def prepare(self, model: nn.Module, images: Tensor, precision: Precision) -> Forward:
        """Return a copy of the model without those norms."""
        return _autocast(fold_norms(model, images), images, precision)


@RUNTIMES.register("compiled")
class Compiled(_Torch):
    """torch.compile, the weights frozen into the program, which chooses their memory format itself."""

    memory_formats = ("contiguous",)

    def prepare(self, model: nn.Module, images: Tensor, precision: Precision) -> Forward:
        """Compile for the given images; takes seconds."""
        compiled = torch.compile(model, options={"freezing": True})
        forward = _autocast(compiled, images, precision)
        with torch.inference_mode():
            forward(images)
        return forward


@RUNTIMES.register("onnxruntime")
class OnnxRuntime(Runtime):
    """ONNX Runtime on the CPU; int8 is its static quantisation, ranges taken from the images."""

    precisions = ("32-true", "int8")
    packages = ("onnx", "onnxruntime", "onnxscript")
    extra = "export"

    def prepare(self, model: nn.Module, images: Tensor, precision: Precision) -> Forward:
        """Export the model and open a session on it."""
        runtime = importlib.import_module("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.add_session_config_entry("session.force_spinning_stop", "1")  # or it slows what runs next
        program = to_onnx(model, images, precision)
        session = runtime.InferenceSession(program, options, providers=["CPUExecutionProvider"])
        return lambda batch: _as_torch(session.run(None, {"image": batch.numpy()}))


@RUNTIMES.register("openvino")
class OpenVino(Runtime):
    """OpenVINO on the CPU, for latency; int8 is ONNX Runtime's quantised program."""

    precisions = ("32-true", "bf16-mixed", "int8")
    packages = ("openvino",)
    extra = "openvino"

    def prepare(self, model: nn.Module, images: Tensor, precision: Precision) -> Forward:
        """Convert and compile the model for the shape of the given images."""
        # It would tell its maker what it is used for, from a dozen processes that run while networks are timed.
        sys.modules.setdefault("openvino_telemetry", cast(Any, None))  # as if it were not installed
        openvino = importlib.import_module("openvino")
        core = openvino.Core()
        if precision == "int8":
            program = core.read_model(io.BytesIO(to_onnx(model, images, precision)))
        else:
            program = openvino.convert_model(model, example_input=images, input=[tuple(images.shape)])
        hints = {
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16-mixed" else "f32",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",
        }
        request = core.compile_model(program, "CPU", hints).create_infer_request()
        return lambda batch: _as_torch(list(request.infer([batch.numpy()], share_inputs=True).values()))


def _as_torch(arrays: Sequence[Any]) -> Outputs:
    outputs = [torch.from_numpy(array) for array in arrays]
    return outputs[0] if len(outputs) == 1 else outputs


def fold_norms(model: nn.Module, images: Tensor) -> nn.Module:
    """Return a copy of `model` in which each batch norm that takes a convolution's output is part of it.

    One forward pass on `images` tells which norm follows which convolution; a pair of which either runs more
    than once is left as it is.
    """
    model = copy.deepcopy(model)
    calls: list[tuple[nn.Module, Tensor, Tensor]] = []  # with input and output, kept so that no id is used again
    watched = [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.BatchNorm2d)]
    hooks = [
        module.register_forward_hook(lambda each, inputs, output: calls.append((each, inputs[0], output)))
        for module in watched
    ]
    with torch.inference_mode():
        model(images)
    for hook in hooks:
        hook.remove()
    once = {module for module, times in Counter(module for module, *_ in calls).items() if times == 1}
    made = {id(output): module for module, _, output in calls if isinstance(module, nn.Conv2d)}
    names = {module: name for name, module in model.named_modules()}
    for norm, image, _ in calls:
        conv = made.get(id(image))
        if isinstance(norm, nn.BatchNorm2d) and conv in once and norm in once:
            model.set_submodule(names[conv], fuse_conv_bn_eval(conv, norm))
            model.set_submodule(names[norm], nn.Sequential(*norm.children()))  # timm's norms hold their activation
    return model


def to_onnx(model: nn.Module, images: Tensor, precision: Precision) -> bytes:
    """Return the model as an ONNX program for images of that shape; int8: quantised with ranges from `images`."""
    with torch.inference_mode(False), torch.no_grad():
        exported = torch.onnx.export(model, (images.clone(),), input_names=["image"], verbose=False, dynamo=True)
    assert exported is not None  # as it is where no path is given
    if precision != "int8":
        return bytes(exported.model_proto.SerializeToString())
    quantization = importlib.import_module("onnxruntime.quantization")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        quantization.quantize_static(
            exported.model_proto,
            path,
            _Ranges(images),
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,  # OpenVINO computes others wrongly
        )
        return path.read_bytes()


class _Ranges:
    """Feeds the images to onnxruntime's calibration, once."""

    def __init__(self, images: Tensor) -> None:
        self.batches: Iterator[dict[str, Any]] = iter([{"image": images.numpy()}])

    def get_next(self) -> dict[str, Any] | None:
        return next(self.batches, None)
