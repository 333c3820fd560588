"""Every preset as a program: the same outputs, on other batches and sizes than it was traced with."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import onnx
import pytest
import torch

from skipbench import archs
from skipbench.archs import export
from skipbench.archs.export import compare, export_model, trace, write

Small = Callable[..., archs.EncoderDecoder]
FEWER_LEVELS = {  # the same steps, fewer times: tracing takes seconds a level
    **{
        f"hourglass.{name}": {"encoder_args": {"depth": 1}, "stacks": 2}
        for name in ("paper", "princeton", "bearpaw")
    },
    "hourglass.cornernet": {"encoder_args": {"widths": (8, 8, 12)}, "width": (8, 8, 12)},
    "unet.milesial": {"encoder_args": {"widths": (4, 4, 8), "ceil_mode": False}},
    "unet.milesial_bilinear": {"encoder_args": {"widths": (4, 4, 8), "ceil_mode": False}, "width": (4, 4, 8)},
    "unet.paper": {"encoder_args": {"widths": (4, 4, 8)}},
    "unet.smp": {"strides": (2, 4), "width": (4, 8, 8)},
    "rectified_gaussian.paper": {"encoder_args": {"stages": [[4, 4], [4], [4]]}},
    **{name: {"strides": (4, 8)} for name in ("fpn", "fpn.paper", "hourglass", "rectified_gaussian", "unet")},
}


@pytest.mark.parametrize("name", archs.list_models())
def test_every_preset_is_exported_for_any_batch_and_size(
    name: str, small: Small, models: ModuleType, tmp_path: Path
) -> None:
    model = small(name, **FEWER_LEVELS.get(name, {})).eval()
    side = models.side_of(model) + 4  # larger than the coarsest stride, which is 64
    program = trace(model, (side, side + 32))
    inputs, outputs = export.axes_of(program)
    assert inputs == {"image": ("batch", 3, "height", "width")}
    shapes = [(1, 3, side + 32, side), (3, 3, side + 5, side + 39)]
    for format, suffix in export.FORMATS.items():
        path = tmp_path / f"model{suffix}"
        write(program, path, format)
        assert compare(model, path, format, shapes) < 1e-4
    graph = onnx.load(tmp_path / "model.onnx").graph
    assert [x.name for x in graph.output] == list(outputs)
    axes = graph.input[0].type.tensor_type.shape.dim
    assert [axis.dim_param or axis.dim_value for axis in axes] == ["batch", 3, "height", "width"]


def test_all_levels_are_outputs_coarse_to_fine(small: Small, tmp_path: Path) -> None:
    model = small("fpn", head_levels="all", supervision="levels", outputs="levels", out="conv3x3", head_stride=None)
    written = export_model(model, tmp_path / "model.onnx", image_size=(64, 96), fixed_size=True)
    assert written.difference < 1e-4
    assert written.format == "onnx"
    assert written.checked == ((1, 3, 64, 96), (3, 3, 64, 96))
    graph = onnx.load(written.path).graph
    assert [x.name for x in graph.output] == [f"logits_{i}" for i in range(5)] == list(written.outputs)


def test_exporting_leaves_the_model_as_it_is(small: Small, tmp_path: Path) -> None:
    model = small("unet").train()
    before = {name: x.clone() for name, x in model.state_dict().items()}
    written = export_model(model, tmp_path / "model.pt2", image_size=(50, 40), fixed_size=True)
    assert model.training
    assert all(torch.equal(x, before[name]) for name, x in model.state_dict().items())
    image = torch.randn(2, 3, 50, 40)
    with torch.no_grad():
        again = torch.export.load(written.path).module()(image)
        assert torch.allclose(again, model.eval()(image), atol=1e-5)


def test_an_encoder_that_needs_padding_takes_multiples(small: Small, tmp_path: Path) -> None:
    model = small("fpn", encoder="test_vit")
    written = export_model(model, tmp_path / "a.pt2", (64, 96))
    assert written.inputs == {"image": ("batch", 3, "16*h", "16*w")}
    assert written.checked == ((1, 3, 64, 96), (3, 3, 144, 144))
    with pytest.raises(archs.ShapeError, match=r"multiples of 16 px, which \(60, 64\) are not"):
        export_model(model, tmp_path / "b.pt2", (60, 64))


@pytest.mark.parametrize(
    ("file", "options", "words"),
    [
        ("model.pb", {}, "name the format"),
        ("model.onnx", {"format": "onxn"}, "unknown format 'onxn'. Did you mean 'onnx'? Choices: onnx, torch."),
        ("absent/model.onnx", {}, "there is no folder"),
        ("taken.onnx", {}, "already exists and is not overwritten"),
        ("model.pt2", {"image_size": (1, 1)}, "cannot be traced for images of any size"),
    ],
)
def test_what_cannot_be_written_is_one_sentence(
    file: str, options: dict[str, object], words: str, small: Small, tmp_path: Path
) -> None:
    (tmp_path / "taken.onnx").write_text("mine")
    with pytest.raises(archs.ExportError) as caught:
        export_model(small("unet"), tmp_path / file, **options)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["taken.onnx"]
    assert (tmp_path / "taken.onnx").read_text() == "mine"


def test_a_program_that_differs_is_not_written(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "TOLERANCE", -1.0)
    with pytest.raises(archs.ExportError, match="differs from the model"):
        export_model(small("unet"), tmp_path / "model.pt2", (64, 64), fixed_size=True)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_named_with_its_mend(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "NEEDED", ("onnx", "no_such_package"))
    with pytest.raises(archs.ExportError, match=r"needs no_such_package: pip install skipbench\[export\]"):
        export_model(small("unet"), tmp_path / "model.onnx")
