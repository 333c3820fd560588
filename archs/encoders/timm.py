"""Any timm model with `features_only` as an encoder, and one made light."""

import contextlib
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

import timm
import torch
import torch.nn.functional as F
from timm.layers.helpers import to_2tuple
from timm.models.resnet import Bottleneck
from torch import Tensor

from skipbench.archs.encoders.base import Encoder, crop, levels_down_to, register_encoder
from skipbench.archs.encoders.weights import misfit, read_weights, require_published, takes_channels
from skipbench.archs.errors import PretrainedError, ShapeError, SpecError
from skipbench.archs.levels import FeatureSpec, Size
from skipbench.archs.spec import ArchSpec
from skipbench.display import first_line

# How timm's families say "take images of any size"; each refuses words that it does not know.
ANY_SIZE: tuple[dict[str, bool], ...] = ({"dynamic_img_size": True}, {"strict_img_size": False}, {})


class TimmNames(Collection[str]):
    """The models of timm; a name may end in the tag of its weights, as "resnet18.a1_in1k" does."""

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and timm.is_model(name.partition(".")[0])

    def __iter__(self) -> Iterator[str]:
        return iter(timm.list_models())

    def __len__(self) -> int:
        return len(timm.list_models())

    def __str__(self) -> str:
        return "any model of timm"


@register_encoder("*", members=TimmNames())
class TimmEncoder(Encoder):
    """A timm trunk by name, without its classifier; the spec's `encoder_args` go to `timm.create_model`.

    Nothing deeper than the last of the spec's `strides` is built, and a flat trunk (one stride) gives its
    last map only. An image smaller than the coarsest stride is padded to it with zeros, right and below,
    as is every image to a multiple of it where the trunk needs that; the maps are cropped.
    `stride_in_1x1` among the `encoder_args` is not timm's: a ResNet's bottlenecks stride in their first
    convolution, as the original's do, instead of in the 3x3 one.
    Raises SpecError for arguments that timm refuses, or with which the trunk does not run.
    """

    pretrainable = True
    silent_args = ("stride_in_1x1",)

    @staticmethod
    def about(name: str) -> str:
        """Return a sentence on one of timm's models."""
        return f"Of timm, with{'' if timm.is_model_pretrained(name) else 'out'} published weights."

    def __init__(self, spec: ArchSpec, stride_in_1x1: bool = False, **encoder_args: Any) -> None:
        super().__init__()
        known_to_timm = {name: value for name, value in spec.encoder_args.items() if name not in self.silent_args}
        spec = spec.model_copy(update={"encoder_args": known_to_timm})
        self.name = spec.encoder
        looked = _look(spec)
        strides = looked.strides
        self.flat = len(set(strides)) == 1
        self.coarsest = max(strides)
        self.divisor, self.input_size = looked.divisor, looked.input_size
        kept = slice(-1, None) if self.flat else slice(levels_down_to(strides, spec.strides))
        self.strides = strides[kept]
        self.specs = [FeatureSpec(c, s) for c, s in zip(looked.channels[kept], self.strides, strict=True)]
        args = {**looked.args, "out_indices": looked.out_indices[kept]}
        self.trunk = _with_weights(spec, args) if spec.weighted else _create(spec, args)
        if stride_in_1x1:
            _stride_early(self.trunk)

    def levels(self, image: Tensor) -> list[Tensor]:
        """(N, C, H, W) -> the trunk's maps as (N, C_l, H_l, W_l), finest first.

        Raises ShapeError for a size that the trunk cannot take.
        """
        height, width = image.shape[-2:]
        if self.input_size not in (None, (height, width)):
            raise ShapeError(
                f"encoder '{self.name}' only takes images of {self.input_size} px (height, width) but got "
                f"{(height, width)}: resize them or, where the model allows it, build it for their size with "
                f"encoder_args={{'img_size': {(height, width)}}}."
            )
        below, right = (max(-side % self.divisor, self.coarsest - side) for side in (height, width))
        padded = F.pad(image, (0, right, 0, below)) if max(below, right) > 0 else image
        try:
            maps = _maps(self.trunk, padded)
        except (RuntimeError, ValueError) as error:
            if min(height, width) >= 4 * self.coarsest:  # such sides have been probed: the cause is another
                raise
            what = f"encoder '{self.name}' cannot take a batch of {tuple(image.shape)}"
            raise ShapeError(f"{what}: give it larger images or, in training, more at a time ({error}).") from error
        return maps if padded is image else crop(maps, self.strides, (height, width))


@register_encoder("resnet10t_quarter")
class QuarterResNet(TimmEncoder):
    """timm's ResNet-10-T at a quarter of its channels, its stem at half of them: 0.32 M parameters.

    So light that most of what a small controlled network costs is its decoder's. `encoder_args` go over its own.
    """

    pretrainable = False

    def __init__(self, spec: ArchSpec, **encoder_args: Any) -> None:
        args = {"channels": (16, 32, 64, 128), "stem_width": 16, **encoder_args}
        super().__init__(spec.model_copy(update={"encoder": "resnet10t", "encoder_args": args}))


class _Look(NamedTuple):
    """What is known of a trunk before it is built: timm's arguments, its levels, and which images it takes."""

    args: dict[str, Any]
    strides: list[Any]
    channels: list[int]
    out_indices: tuple[int, ...]
    divisor: int
    input_size: Size | None


_LOOKS: dict[tuple[str, str, int], _Look] = {}


def _look(spec: ArchSpec) -> _Look:
    """Return what a trunk of no weights shows, which is built once in a process."""
    key = spec.encoder, repr(spec.encoder_args), spec.in_channels
    if key not in _LOOKS:
        args, blueprint = _blueprint(spec)
        info = blueprint.feature_info
        divisor, size, shapes = _probe(blueprint, spec)
        channels = [shape[1] for shape in shapes] or info.channels()
        _LOOKS[key] = _Look(args, info.reduction(), channels, tuple(info.out_indices), divisor, size)
    return _LOOKS[key]


def _create(spec: ArchSpec, args: dict[str, Any], **weights: Any) -> Any:
    ours: dict[str, Any] = {"features_only": True, "in_chans": spec.in_channels, **weights}
    try:
        return timm.create_model(spec.encoder, **ours, **args)
    except Exception as error:  # timm raises whatever the model's constructor does
        reason = first_line(error).rstrip(".:")
        raise SpecError(f"timm cannot build encoder '{spec.encoder}' with {args}: {reason}.") from error


def _with_weights(spec: ArchSpec, args: dict[str, Any]) -> Any:
    """Return the trunk with its published weights, or with those of a file. Raises PretrainedError."""
    if spec.encoder_weights is None:
        require_published(spec.encoder)
        return _create(spec, args, pretrained=True)
    weights = read_weights(spec)
    overlay: dict[str, Any] = {"state_dict": weights}
    if takes_channels(weights, spec):
        overlay["first_conv"] = None  # timm would make weights for as many channels of those for three
    try:
        trunk = _create(spec, args, pretrained=True, pretrained_cfg_overlay=dict(overlay))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(torch.initial_seed() + 1)
            again = _create(spec, args, pretrained=True, pretrained_cfg_overlay=overlay)
    except SpecError as error:
        reason = misfit(weights, spec) or str(error)
        raise PretrainedError(f"{spec.encoder_weights} does not fit: {reason}") from error
    drawn = [name for name, x in again.named_parameters() if not torch.equal(x, trunk.get_parameter(name))]
    if drawn:  # what differs between two draws has not come from the file
        raise PretrainedError(
            f"{spec.encoder_weights} lacks {len(drawn)} of the {len(list(trunk.parameters()))} tensors of encoder "
            f"'{spec.encoder}', the first '{drawn[0]}'."
        )
    return trunk


def _stride_early(trunk: Any) -> None:
    """Let a ResNet's bottlenecks stride in their first convolution. Raises SpecError where there are none."""
    units = [module for module in trunk.modules() if isinstance(module, Bottleneck)]
    if not units:
        raise SpecError("stride_in_1x1 is of ResNets with bottlenecks, from resnet26 on: leave it out.")
    for unit in units:
        unit.conv1.stride, unit.conv2.stride = unit.conv2.stride, unit.conv1.stride


def _blueprint(spec: ArchSpec, words: Sequence[dict[str, bool]] = ANY_SIZE) -> tuple[dict[str, Any], Any]:
    """Return the arguments with which the trunk takes the most image sizes, and the trunk without weights."""
    args = {**words[0], **spec.encoder_args}
    try:
        with torch.device("meta"):
            return args, _create(spec, args).eval()
    except SpecError as error:
        if len(words) == 1 or not isinstance(error.__cause__, TypeError):
            raise
    return _blueprint(spec, words[1:])


def _probe(trunk: Any, spec: ArchSpec) -> tuple[int, Size | None, list[torch.Size]]:
    """Return what image sides must be divisible by, the only size (None: any), and the maps' shapes.

    No shapes where the trunk cannot run without values: then its own size is taken for the only one.
    Raises SpecError where it runs on images of none of the sizes.
    """
    own_size = to_2tuple(spec.encoder_args.get("img_size", trunk.pretrained_cfg["input_size"][-2:]))
    coarsest = max(trunk.feature_info.reduction())
    rows = 4 if own_size[0] // coarsest == 3 else 3  # at its own size every trunk runs
    height, width = rows * coarsest, (rows + 1) * coarsest
    for divisor, size in ((1, (height + 1, width + 3)), (coarsest, (height, width))):
        with contextlib.suppress(AssertionError, RuntimeError, ValueError):
            shapes = _shapes(trunk, spec.in_channels, size)
            scaled = shapes[0][-1] == shapes[0][-2]  # wide has become square: to the trunk's own size
            # hybrid ViTs fold the tokens of odd sides into a wrong grid, which the channels alone show
            folded = divisor == 1 and [shape[1] for shape in shapes] != trunk.feature_info.channels()
            if not scaled and not folded:
                return divisor, None, shapes
    try:
        return 1, own_size, _shapes(trunk, spec.in_channels, own_size)
    except Exception as error:  # timm raises whatever the model does
        if "meta tensors" in str(error):
            return 1, own_size, []
        kind = f"{spec.in_channels} channels and {own_size} px"
        raise SpecError(f"encoder '{spec.encoder}' does not run on images of {kind}: {error}.") from error


def _shapes(trunk: Any, in_channels: int, size: Size) -> list[torch.Size]:
    with torch.no_grad():
        return [x.shape for x in _maps(trunk, torch.empty(1, in_channels, *size, device="meta"))]


def _maps(trunk: Any, image: Tensor) -> list[Tensor]:
    """(N, C, H, W) -> the trunk's maps as (N, C_l, H_l, W_l), whichever layout it gives them in."""
    maps = list(trunk(image))
    if str(getattr(trunk, "output_fmt", "NCHW")).endswith("NHWC"):
        return [x.permute(0, 3, 1, 2) for x in maps]
    return maps
