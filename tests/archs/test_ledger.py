"""The ledger: every rule against a hand formula, on the operators that calls really run."""

import math
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from skipbench.archs import DuplicateNameError, SpecError, UnknownNameError
from skipbench.archs.ledger import Ledger, Work, count, on_a_copy, register_cost
from skipbench.archs.ledger.work import RULES

N, C, K, H, W = 2, 6, 4, 10, 8  # a batch of maps, and channels out
A, B, D, E = 3, 4, 5, 7  # sides of matrices


class Call(nn.Module):
    """A function of its inputs as a network."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor):
        return self.function(*inputs)


def ledger_of(network, *shapes: tuple[int, ...], device: str | None = None) -> Ledger:
    """Count one forward pass on random inputs of those shapes; on the CPU where that is asked for."""
    network = network if isinstance(network, nn.Module) else Call(network)
    inputs = tuple(torch.rand(shape) for shape in shapes)
    if device == "cpu":
        return count(network.eval(), inputs)
    ledger, where = on_a_copy(network.eval(), inputs, count)
    assert where == "meta"
    return ledger


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(query, key, value)


def convolve_by_fourier(image: Tensor) -> Tensor:
    """A circular convolution with one kernel as large as the image."""
    spectrum = torch.fft.rfft2(image) * torch.fft.rfft2(image.flip(-1))
    return torch.fft.irfft2(spectrum, s=image.shape[-2:])


def tied(image: Tensor, weight: Tensor) -> Tensor:
    return F.conv_transpose2d(F.conv2d(image, weight, stride=2, padding=1), weight, stride=2, padding=1)


MAPS = (N, C, H, W)
MAP = N * H * W
LSTM = 4 * D * (C + D)  # of one direction at one step: four gates from the input and from the state
MACS = {  # call, shapes of its inputs, MACs by hand
    "conv1d": (nn.Conv1d(C, K, 3), [(N, C, W)], N * (W - 2) * K * C * 3),
    "conv3d": (nn.Conv3d(C, K, (1, 3, 3)), [(N, C, 5, H, W)], N * 5 * (H - 2) * (W - 2) * K * C * 9),
    "conv2d": (nn.Conv2d(C, K, 3, padding=1), [MAPS], MAP * K * C * 9),
    "strided": (nn.Conv2d(C, K, 3, 2, 1), [MAPS], MAP // 4 * K * C * 9),
    "dilated": (nn.Conv2d(C, K, 3, dilation=2), [MAPS], N * (H - 4) * (W - 4) * K * C * 9),
    "groups": (nn.Conv2d(C, K, 3, padding=1, groups=2), [MAPS], MAP * K * C // 2 * 9),
    "depthwise": (nn.Conv2d(C, C, 5, padding=2, groups=C), [MAPS], MAP * C * 25),
    "padding same": (nn.Conv2d(C, K, 3, padding="same"), [MAPS], MAP * K * C * 9),
    "padding same, even kernel": (nn.Conv2d(C, K, 4, padding="same"), [MAPS], MAP * K * C * 16),
    "transposed": (nn.ConvTranspose2d(C, K, 2, stride=2), [MAPS], MAP * C * K * 4),
    "transposed, groups": (nn.ConvTranspose2d(C, K, 3, 2, 1, 1, groups=2), [MAPS], MAP * C * K // 2 * 9),
    "tied weights": (tied, [MAPS, (K, C, 3, 3)], 2 * MAP // 4 * K * C * 9),
    "linear": (nn.Linear(C, K), [(N, E, C)], N * E * C * K),
    "bilinear": (nn.Bilinear(A, B, D), [(N, A), (N, B)], N * D * (A * B + B)),
    "mm": (torch.mm, [(A, B), (B, D)], A * B * D),
    "bmm": (torch.bmm, [(N, A, B), (N, B, D)], N * A * B * D),
    "addmm": (torch.addmm, [(A, D), (A, B), (B, D)], A * B * D),
    "baddbmm": (torch.baddbmm, [(N, A, D), (N, A, B), (N, B, D)], N * A * B * D),
    "addbmm": (torch.addbmm, [(A, D), (N, A, B), (N, B, D)], N * A * B * D),
    "mv": (torch.mv, [(A, B), (B,)], A * B),
    "addmv": (torch.addmv, [(A,), (A, B), (B,)], A * B),
    "dot": (torch.dot, [(A,), (A,)], A),
    "addr": (torch.addr, [(A, B), (A,), (B,)], A * B),
    "x @ vector": (torch.matmul, [(N, A, B), (B,)], N * A * B),
    "vector @ x": (torch.matmul, [(A,), (A, B)], A * B),
    "broadcast matmul": (torch.matmul, [(N, 1, A, B), (E, B, D)], N * E * A * B * D),
    "einsum": (lambda x, y: torch.einsum("nchw,co->nohw", x, y), [MAPS, (C, K)], MAP * C * K),
    "einsum of three": (
        lambda x, y, z: torch.einsum("ab,bd,de->ae", x, y, z),
        [(A, B), (B, D), (D, E)],
        A * B * D + A * D * E,
    ),
    "tensordot": (lambda x, y: torch.tensordot(x, y, 2), [(N, A, B), (A, B, D)], N * A * B * D),
    "inner": (torch.inner, [(N, A, B), (D, B)], N * A * B * D),
    "multi_dot": (lambda *x: torch.linalg.multi_dot(x), [(9, 2), (2, 9), (9, 1)], 2 * 9 * 1 + 9 * 2 * 1),
    "attention": (attend, [(N, A, B, D), (N, A, E, D), (N, A, E, D)], N * A * B * E * 2 * D),
    "attention, wide values": (attend, [(N, A, B, D), (N, A, E, D), (N, A, E, C)], N * A * B * E * (D + C)),
    "attention of one head": (attend, [(N, B, D), (N, E, D), (N, E, D)], N * B * E * 2 * D),
    "LSTM": (nn.LSTM(C, D), [(A, N, C)], A * N * LSTM),
    "LSTM both ways": (nn.LSTM(C, D, bidirectional=True), [(A, N, C)], 2 * A * N * LSTM),
    "GRU": (nn.GRU(C, D), [(A, N, C)], A * N * LSTM * 3 // 4),
    "RNN": (nn.RNN(C, D), [(A, N, C)], A * N * LSTM // 4),
    "deform_conv2d": (
        torchvision.ops.deform_conv2d,
        [MAPS, (N, 2 * 9, H - 2, W - 2), (K, C, 3, 3)],
        N * (H - 2) * (W - 2) * K * C * 9,
    ),
    "large distances": (torch.cdist, [(30, A), (40, A)], 30 * 40 * (A + 2)),
    "complex product": (lambda x, y: torch.complex(x, x) @ torch.complex(y, y), [(A, B), (B, D)], 4 * A * B * D),
}
ELEMENTWISE = {  # call, shapes, element-wise operations by hand; none of them a MAC
    "addition": (torch.add, [MAPS, MAPS], {"arithmetic": MAP * C}),
    "broadcast product": (torch.mul, [MAPS, (C, 1, 1)], {"arithmetic": MAP * C}),
    "product and sum": (lambda x, y: (x * y).sum(1), [MAPS, MAPS], {"arithmetic": MAP * C, "reduction": MAP * C}),
    "relu": (nn.ReLU(inplace=True), [MAPS], {"activation": MAP * C}),
    "gelu": (nn.GELU(), [MAPS], {"activation": MAP * C}),
    "maximum": (torch.maximum, [MAPS, MAPS], {"comparison": MAP * C}),
    "softmax": (nn.Softmax(1), [MAPS], {"softmax": MAP * C}),
    "batch norm": (nn.BatchNorm2d(C), [MAPS], {"norm": MAP * C}),
    "group norm": (nn.GroupNorm(2, C), [MAPS], {"norm": MAP * C}),
    "layer norm": (nn.LayerNorm(W), [MAPS], {"norm": MAP * C}),
    "max-pooling": (nn.MaxPool2d(2), [MAPS], {"pooling": MAP // 4 * C * 4}),
    "overlapping pooling": (nn.AvgPool2d((3, 1), 1), [MAPS], {"pooling": N * C * (H - 2) * W * 3}),
    "global pooling": (nn.AdaptiveAvgPool2d(1), [MAPS], {"reduction": MAP * C}),
    "bilinear": (nn.UpsamplingBilinear2d(scale_factor=2), [MAPS], {"resize": 4 * MAP * C * 4}),
    "bicubic": (lambda x: F.interpolate(x, (20, 9), mode="bicubic"), [MAPS], {"resize": N * C * 180 * 16}),
    "antialiased": (
        lambda x: F.interpolate(x, (5, 8), mode="bilinear", antialias=True),
        [MAPS],
        {"resize": N * C * 40 * 4 * 2},
    ),
    "nearest": (nn.Upsample(scale_factor=2), [MAPS], {}),
    "concatenation": (lambda x, y: torch.cat([x, y], 1), [MAPS, MAPS], {}),
    "views": (lambda x: x.flatten(2).transpose(1, 2)[:, ::2], [MAPS], {}),
    "sampling": (F.grid_sample, [MAPS, (N, 3, 3, 2)], {"resize": N * C * 9 * 4}),
    "small distances": (torch.cdist, [(A, D), (B, D)], {"arithmetic": 2 * A * B * D, "reduction": A * B * D}),
    "Fourier transform": (torch.fft.fft2, [(N, 8, 4)], {"fft": 5 * N * 32 * 5}),
    "Fourier convolution": (
        convolve_by_fourier,
        [(N, 8, 4)],
        {"fft": 3 * 5 * N * 32 * 5 // 2, "arithmetic": 2 * N * 8 * 3},
    ),
    "attention": (attend, [(N, A, B, D), (N, A, E, D), (N, A, E, D)], {"softmax": N * A * B * E}),
}


@pytest.mark.parametrize("name", MACS)
def test_macs_equal_the_hand_formula(name):
    network, shapes, macs = MACS[name]
    ledger = ledger_of(network, *shapes)
    assert dict(ledger.macs) == {"": macs}
    assert not ledger.unruled


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_element_wise_operations_equal_the_hand_formula(name):
    network, shapes, expected = ELEMENTWISE[name]
    ledger = ledger_of(network, *shapes)
    assert {kind: n for kind, n in ledger.elementwise.items() if n} == expected
    assert not ledger.unruled


@pytest.mark.parametrize("name", MACS)
def test_kernels_of_the_cpu_do_the_macs_that_shapes_foretell(name):
    network, shapes, macs = MACS[name]
    assert sum(ledger_of(network, *shapes, device="cpu").macs.values()) == macs


@pytest.mark.parametrize("name", ["attention", "LSTM", "LSTM both ways"])
def test_fused_kernels_do_the_element_wise_work_of_what_they_fuse(name):
    network, shapes, _ = MACS[name]
    foretold, ran = (ledger_of(network, *shapes, device=device) for device in (None, "cpu"))
    assert foretold.elementwise == ran.elementwise


def test_a_multi_head_attention_is_four_projections_and_two_products():
    network = nn.MultiheadAttention(8, 2, batch_first=True)
    macs = N * A * (4 * 8 * 8) + 2 * N * A * A * 8
    for options in ({"need_weights": False}, {}):
        ledger = ledger_of(Attention(network, **options), (N, A, 8))
        assert ledger.macs[""] == macs
        assert ledger.elementwise["softmax"] == N * 2 * A * A


class Attention(nn.Module):
    """Self-attention by torch's own module."""

    def __init__(self, attention: nn.MultiheadAttention, **options) -> None:
        super().__init__()
        self.attention, self.options = attention, options

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x, x, x, **self.options)[0]


def test_the_fused_layer_of_a_transformer_is_worth_its_layers():
    layer = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True).eval()
    x = torch.rand(N, A, 8)
    apart = ledger_of(layer, (N, A, 8), device="cpu")
    with torch.no_grad(), Ledger((x,), layer, {}) as fused:
        layer(x)
    assert "aten::_transformer_encoder_layer_fwd" in fused.macs_of
    assert fused.macs == apart.macs
    assert fused.elementwise["softmax"] == apart.elementwise["softmax"]


def test_inference_mode_inside_a_network_hides_nothing():
    def forward(x: Tensor, y: Tensor) -> Tensor:
        with torch.inference_mode():
            return F.linear(x, y) @ y

    assert ledger_of(forward, (N, A, B), (D, B)).macs[""] == 2 * N * A * B * D


def test_scripted_modules_are_counted():
    scripted = torch.jit.script(nn.Sequential(nn.Conv2d(C, K, 3, padding=1), nn.ReLU()))
    network = nn.Sequential(nn.Conv2d(C, C, 1), scripted)
    ledger, _ = on_a_copy(network.eval(), (torch.rand(MAPS),), count)
    assert ledger.macs[""] == MAP * (C * C + C * K * 9)
    assert ledger.elementwise["activation"] == MAP * K


def test_activations_are_what_operators_with_macs_put_out():
    assert ledger_of(torch.mm, (A, B), (B, D)).activations[""] == A * D
    assert ledger_of(attend, (N, A, B, D), (N, A, E, D), (N, A, E, D)).activations[""] == N * A * B * D


def test_bytes_are_those_of_operands_and_results_once_each():
    assert ledger_of(torch.add, (A, B), (A, B)).bytes[""] == 4 * 3 * A * B
    assert ledger_of(nn.Conv2d(C, K, 1), MAPS).bytes[""] == 4 * (MAP * C + K * C + K + MAP * K)
    assert ledger_of(lambda x: x.view(-1), (A, B)).bytes[""] == 0
    assert ledger_of(lambda x: x.clone(), (A, B)).bytes[""] == 2 * 4 * A * B
    assert ledger_of(lambda x: torch.zeros(A, device=x.device), (1,)).bytes[""] == 4 * A
    looked_up = ledger_of(lambda table: table[torch.zeros(2, dtype=torch.long, device=table.device)], (100, B))
    assert looked_up.bytes[""] == 8 * 2 + (8 * 2) + 2 * 4 * 2 * B  # zeros written, read, and two rows in and out


def test_work_belongs_to_the_innermost_module_with_a_place():
    inner, outer = nn.Conv2d(C, C, 1), nn.Conv2d(C, K, 1)
    network = nn.Sequential(nn.Sequential(inner, nn.ReLU()), outer)
    image = torch.rand(MAPS)
    ledger = count(network, (image,), {network: "all", inner: "inner"})
    assert ledger.macs == {"inner": MAP * C * C, "all": MAP * C * K}
    assert not network._forward_hooks


@pytest.fixture(scope="module")
def blend() -> Iterator[str]:
    """Yield the name of an operator that torch knows and the ledger does not."""

    @torch.library.custom_op("ledger_test::blend", mutates_args=())
    def run(x: Tensor, y: Tensor) -> Tensor:
        return x @ y

    @run.register_fake
    def shape(x: Tensor, y: Tensor) -> Tensor:
        return x.new_empty(x.shape[0], y.shape[1])

    yield "ledger_test::blend"
    RULES.pop("ledger_test::blend", None)


def test_an_operator_without_a_rule_is_told_and_one_with_a_rule_counted(blend):
    def run(x: Tensor, y: Tensor) -> Tensor:
        return torch.relu(torch.ops.ledger_test.blend(x, y))

    ledger = ledger_of(run, (A, B), (B, D))
    assert ledger.unruled == {blend: 1}
    assert not ledger.macs
    register_cost(blend)(lambda out, x, y: Work(out.numel() * x.shape[1], {"arithmetic": 1}))
    ledger = ledger_of(run, (A, B), (B, D))
    assert not ledger.unruled
    assert ledger.macs[""] == A * B * D
    assert ledger.elementwise == {"arithmetic": 1, "activation": A * D}
    with pytest.raises(DuplicateNameError, match="'ledger_test::blend' already has a rule"):
        register_cost(blend)(lambda out, x, y: Work())


def test_wrong_rules_are_refused_in_words():
    with pytest.raises(SpecError, match="operator 'blend' has no namespace"):
        register_cost("blend")
    with pytest.raises(UnknownNameError, match="unknown kind of element-wise operation 'arithmetics'"):
        Work(elementwise={"arithmetics": 3})


def test_networks_that_need_values_are_counted_all_the_same():
    class Gated(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) if float(x.sum()) > 0 else x

    ledger, where = on_a_copy(Gated(C, K, 1), (torch.rand(MAPS),), count)
    assert where == "cpu"
    assert ledger.macs[""] == MAP * C * K


def test_networks_that_refuse_the_meta_device_are_counted_on_fake_tensors():
    class OnCPU(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            assert x.device.type == "cpu"
            return super().forward(x)

    ledger, where = on_a_copy(OnCPU(C, K, 1), (torch.rand(MAPS),), count)
    assert where == "fake"
    assert ledger.macs[""] == MAP * C * K


def test_tensors_beside_the_parameters_do_not_stop_the_count():
    class Shifted(nn.Conv2d):
        def __init__(self) -> None:
            super().__init__(C, K, 1)
            self.shift = torch.rand(C, 1, 1)  # no buffer, so it stays where it is

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(torch.cat([x, x + self.shift])[:N])

    ledger, _ = on_a_copy(Shifted(), (torch.rand(MAPS),), count)
    assert ledger.macs[""] == MAP * C * K
    assert math.isclose(ledger.elementwise["arithmetic"], MAP * C)


def test_numbers_of_one_kind_become_another_as_they_do_elsewhere():
    def grow(x: Tensor) -> Tensor:
        places = torch.arange(x.shape[0], device=x.device)
        distance = places * 0.5  # whole numbers times a fraction
        distance += 0.25
        return x * distance[:, None]

    assert ledger_of(grow, (A, B)).elementwise["arithmetic"] == 2 * A + A * B
