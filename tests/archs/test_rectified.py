"""The mathematics of hierarchical rectified Gaussians, as equalities."""

import pytest
import torch
import torch.nn.functional as F

from skipbench import archs
from skipbench.archs.rectified import score
from skipbench.archs.resampling import Link

TINY = {"encoder_args": {"stages": [[4, 5], [6, 7], [8], [9], [10]]}, "classes": 3}


def chain(passes: int, **factors):
    """A tiny VGG chain without pooling, in double precision, whose head reads every level."""
    model = archs.create_model(
        "rectified_gaussian.paper",
        encoder_args={"stages": [[4, 5, 6, 7]]},
        out="none",
        head_strides=None,
        passes=passes,
        **factors,
    )
    return model.double().eval()


def states(model, image):
    with torch.no_grad():
        return model.features(image)


def test_one_pass_is_the_plain_rectified_cnn():
    torch.manual_seed(0)
    model = archs.create_model("rectified_gaussian.paper", passes=1, out="none", head_strides=None, **TINY).eval()
    image = torch.randn(2, 3, 37, 50)
    with torch.no_grad():
        plain, maps = model.encoder.rectified(image), model.features(image)
    assert len(plain) == len(maps) == 7
    for x, y in zip(plain, maps, strict=True):
        assert torch.equal(x, y)


def test_plain_trunk_equals_a_transcription():
    torch.manual_seed(0)
    model = archs.create_model("rectified_gaussian.paper", passes=1, **TINY).eval()
    x = image = torch.randn(1, 3, 32, 48)
    trunk = model.encoder
    with torch.no_grad():
        x = F.relu(F.conv2d(x, trunk.first.weight, trunk.first.bias, padding=1))
        for pool, link, bias in zip((0, 1, 0, 1, 1, 1), trunk.links, trunk.biases, strict=True):
            x = F.relu(F.conv2d(F.max_pool2d(x, 2) if pool else x, link.conv.weight, bias, padding=1))
        torch.testing.assert_close(trunk.rectified(image)[-1], x, rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [(8, 8), (9, 7), (7, 12)])
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_transposed_convolution_is_the_exact_adjoint(size, stride):
    torch.manual_seed(0)
    link = Link(3, 5, stride=stride).double()
    x = torch.randn(2, 3, *size, dtype=torch.double)
    y = torch.randn_like(link(x))
    torch.testing.assert_close((link(x) * y).sum(), (x * link.up(y, x)).sum(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [(8, 8), (9, 7)])
def test_unpooling_is_the_adjoint_of_pooling_at_the_maxima(size):
    torch.manual_seed(0)
    link = Link(3, 5, pool=True).double()
    x = torch.randn(2, 3, *size, dtype=torch.double)
    y = torch.randn_like(link(x))
    torch.testing.assert_close((link(x) * y).sum(), (x * link.up(y, x)).sum(), rtol=1e-12, atol=1e-12)


def test_no_update_lowers_the_score():
    """Coordinate ascent by hand with the model's own links, level by level, down and up again."""
    torch.manual_seed(0)
    model = chain(1)
    trunk = model.encoder
    with torch.no_grad():
        biases = [b + 0.3 * torch.randn_like(b) for b in trunk(torch.randn(1, 3, 10, 9).double())]
        z = [torch.zeros_like(b) for b in biases]
        scores = [score(z, biases, trunk.links)]
        for level in [0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0]:
            below = trunk.links[level - 1](z[level - 1]) if level else 0
            above = trunk.links[level].up(z[level + 1], z[level]) if level < 3 else 0
            z[level] = F.relu(biases[level] + below + above)
            scores.append(score(z, biases, trunk.links))
    steps = torch.stack(scores).diff()
    assert bool((steps >= -1e-9).all())
    assert float(steps.max()) > 1


def test_no_pass_lowers_the_score():
    torch.manual_seed(0)
    models = [chain(passes) for passes in range(1, 7)]
    image = torch.randn(1, 3, 11, 8).double()
    for model in models[1:]:
        model.load_state_dict(models[0].state_dict())
    trunk = models[0].encoder
    with torch.no_grad():
        scores = torch.stack([score(states(m, image), trunk(image), trunk.links) for m in models])
    assert bool((scores.diff() > 0).all())


def test_two_passes_equal_the_update_written_out():
    """QP2: z_i = ReLU(bot_i + b_i + top_i) from the cached bottom-up pass, coarse to fine."""
    torch.manual_seed(0)
    model = chain(2)
    trunk, image = model.encoder, torch.randn(1, 3, 9, 8).double()
    weights = [link.conv.weight for link in trunk.links]
    with torch.no_grad():
        biases = trunk(image)
        pre = [biases[0]]
        for weight, bias in zip(weights, biases[1:], strict=True):
            pre.append(F.conv2d(F.relu(pre[-1]), weight, padding=1) + bias)
        z = [F.relu(pre[-1])]
        for weight, a in zip(reversed(weights), pre[-2::-1], strict=True):
            z.insert(0, F.relu(a + F.conv_transpose2d(z[0], weight, padding=1)))
    for got, want in zip(states(model, image), z, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-12, atol=1e-12)


def test_controlled_neck_ascends_too():
    torch.manual_seed(0)
    first = archs.create_model("rectified_gaussian", encoder_name="test_resnet", width=8, passes=1)
    image, scores = torch.randn(1, 3, 70, 52).double(), []
    for passes in range(1, 6):
        model = archs.create_model("rectified_gaussian", encoder_name="test_resnet", width=8, passes=passes)
        model.load_state_dict(first.state_dict())
        model.double().eval()
        neck = model.encoder
        with torch.no_grad():
            scores.append(score(model.features(image), neck(image), neck.links))
    assert bool((torch.stack(scores).diff() > 0).all())


@pytest.mark.parametrize("fusion", archs.list_fusions())
def test_with_another_fusion_passes_are_no_ascent_and_the_spec_says_so(fusion):
    if fusion == "concat_wide":
        pytest.skip("refused, see below")
    scores, remarks = [], []
    for passes in (2, 3, 4, 5):
        torch.manual_seed(0)
        factors = {"encoder": "test_resnet", "width": 8, "passes": passes, "fusion": fusion}
        model = archs.create_model("rectified_gaussian", **factors).double().eval()
        image = torch.rand(1, 3, 70, 52, generator=torch.Generator().manual_seed(1)).double()
        with torch.no_grad():
            scores.append(score(model.features(image), model.encoder(image), model.encoder.links))
        remarks += model.spec.remarks
    if fusion == "add":
        assert bool((torch.stack(scores).diff() >= 0).all())
        assert not remarks
    else:
        assert "only with fusion=add;" in remarks[0]
    if fusion in ("concat", "gated"):
        assert bool((torch.stack(scores).diff() < 0).any())
    assert archs.resolve_spec("rectified_gaussian", passes=1, fusion=fusion).remarks == []


def test_head_reads_the_pooled_maps_at_four_strides():
    model = archs.create_model("rectified_gaussian.paper", **TINY).eval()
    maps = model.features(torch.randn(1, 3, 64, 96))
    assert [tuple(x.shape[1:]) for x in maps] == [(7, 16, 24), (8, 8, 12), (9, 4, 6), (10, 2, 3)]
    assert model(torch.randn(1, 3, 64, 96)).shape == (1, 3, 64, 96)


def test_a_fusion_that_widens_is_refused_with_the_mend():
    with pytest.raises(archs.SpecError, match="fusion='concat'"):
        archs.create_model("rectified_gaussian", encoder_name="test_resnet", fusion="concat_wide")
