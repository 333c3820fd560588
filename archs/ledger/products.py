"""Rules of the operators that multiply and accumulate.

A MAC is one multiplication whose product is added to a sum: a tap of a convolution, a term of a matrix product.
Taps that fall on the padding are MACs, as kernels run them; a bias is where a sum begins, so it adds none; a
complex MAC is four. A causal mask takes nothing off an attention's products.
"""

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from skipbench.archs.ledger.work import Work, register_cost, same_for


def _convolution(
    out: Tensor,
    image: Tensor,
    weight: Tensor,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    *rest: Any,
) -> Work:
    """(N, C, ...) and (C', C / groups, *kernel): a MAC per output and tap; transposed, per input and tap."""
    places = image if transposed else out
    return Work(_real(out) * places.numel() * math.prod(weight.shape[1:]))


def _real(out: Tensor) -> int:
    """Return how many real MACs one of these numbers' MACs is."""
    return 4 if out.is_complex() else 1


def _product(out: Tensor, left: Tensor, right: Tensor, *rest: Any, **options: Any) -> Work:
    """(..., n, k) x (..., k, m): k MACs per output."""
    return Work(_real(out) * out.numel() * left.shape[-1])


def _summed_products(out: Tensor, start: Tensor, left: Tensor, right: Tensor, **options: Any) -> Work:
    """(b, n, k) x (b, k, m), summed over b."""
    return Work(_real(out) * left.numel() * right.shape[-1])


def _times_vector(out: Tensor, matrix: Tensor, vector: Tensor) -> Work:
    """A MAC per element of the matrix (of the other vector, where it is one)."""
    return Work(_real(out) * matrix.numel())


same_for(_convolution, "convolution _convolution convolution_overrideable")
same_for(_product, "mm bmm _int_mm _scaled_mm")
same_for(lambda out, start, left, right, **options: _product(out, left, right), "addmm _addmm_activation baddbmm")
same_for(_summed_products, "addbmm")
same_for(_times_vector, "mv dot vdot")
same_for(lambda out, start, matrix, vector, **options: _times_vector(out, matrix, vector), "addmv")
same_for(lambda out, *operands, **options: Work(_real(out) * out.numel()), "addr")


def _attention(out: Tensor, query: Tensor, key: Tensor, value: Tensor, *rest: Any, **options: Any) -> Work:
    """(N, heads, L, E), (N, heads, S, E), (N, heads, S, V): query x key, its softmax, weights x value."""
    scores = math.prod(query.shape[:-1]) * key.shape[-2]
    return Work(scores * (query.shape[-1] + value.shape[-1]), {"softmax": scores})


def _attention_by_token(out: Tensor, query: Tensor, key: Tensor, value: Tensor, *rest: Any, **options: Any) -> Work:
    """The same of (N, L, heads, E), (N, S, heads, E), (N, S, heads, V)."""
    return _attention(out, *(x.transpose(1, 2) for x in (query, key, value)))


same_for(
    _attention,
    """_scaled_dot_product_attention_math _scaled_dot_product_cudnn_attention
    _scaled_dot_product_efficient_attention _scaled_dot_product_flash_attention
    _scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_fused_attention_overrideable""",
)
same_for(_attention_by_token, "_flash_attention_forward _efficient_attention_forward")


@register_cost("aten::_native_multi_head_attention")
def _multi_head(
    out: Tensor, query: Tensor, key: Tensor, value: Tensor, width: int, heads: int, *rest: Any, **options: Any
) -> Work:
    """(N, L, E), (N, S, E): four projections E x E, and the attention of every head."""
    projections = (2 * query.numel() + key.numel() + value.numel()) * width
    scores = query.shape[0] * query.shape[1] * key.shape[1]
    return Work(projections + 2 * scores * width, {"softmax": scores * heads})


@register_cost("aten::_transformer_encoder_layer_fwd")
def _encoder_layer(out: Tensor, x: Tensor, width: int, heads: int, *rest: Any, **options: Any) -> Work:
    """(N, L, E): self-attention, then two linear layers with an activation between; two norms, two additions."""
    expand, contract = rest[11], rest[13]
    attention = _multi_head(out, x, x, x, width, heads)
    tokens = x.numel() // width
    return Work(
        attention.macs + tokens * (expand.numel() + contract.numel()),
        {
            **attention.elementwise,
            "activation": tokens * expand.shape[0],
            "norm": 2 * x.numel(),
            "arithmetic": 2 * x.numel(),
        },
    )


@register_cost("aten::mkldnn_rnn_layer")
def _lstm_layer(out: Tensor, x: Tensor, fed: Tensor, carried: Tensor, *rest: Any, **options: Any) -> Work:
    """One direction of an LSTM layer, (T, N, I) and weights (4 H, I), (4 H, H): both products at every step.

    A step adds two sets of four gates, activates them and the cell, and takes three products and a sum.
    """
    steps, hidden = x.shape[0] * x.shape[1], carried.shape[1]
    elementwise = {"activation": 5 * steps * hidden, "arithmetic": 8 * steps * hidden}
    return Work(steps * (fed.numel() + carried.numel()), elementwise)  # type: ignore[arg-type]


@register_cost("aten::_trilinear")
def _trilinear(
    out: Tensor,
    first: Tensor,
    second: Tensor,
    third: Tensor,
    expand_first: Sequence[int],
    expand_second: Sequence[int],
    expand_third: Sequence[int],
    summed: Sequence[int],
    *rest: Any,
) -> Work:
    """first x second, summed where third has no axis, then x third: what nn.Bilinear runs.

    Of x (N, I), W (O, I, J), y (N, J): N O I J + N O J.
    """
    sizes: dict[int, int] = {}
    axes: list[set[int]] = []
    for tensor, expanded in ((first, expand_first), (second, expand_second), (third, expand_third)):
        own = [axis for axis in range(tensor.dim() + len(expanded)) if axis not in expanded]
        sizes |= dict(zip(own, tensor.shape, strict=True))
        axes.append(set(own))
    kept = (axes[0] | axes[1]) - (set(summed) - axes[2])
    return Work(sum(math.prod(sizes[axis] for axis in pair) for pair in (axes[0] | axes[1], kept | axes[2])))


@register_cost("aten::_euclidean_dist")
def _euclidean(out: Tensor, left: Tensor, right: Tensor) -> Work:
    """(..., P, D) and (..., R, D): norms beside the vectors make squared distances one product over D + 2."""
    squares = {"arithmetic": left.numel() + right.numel() + out.numel(), "reduction": left.numel() + right.numel()}
    return Work(out.numel() * (left.shape[-1] + 2), squares)  # type: ignore[arg-type]


@register_cost("torchvision::deform_conv2d")
def _deformable(out: Tensor, image: Tensor, weight: Tensor, offset: Tensor, mask: Tensor, *rest: Any) -> Work:
    """A convolution whose taps are each sampled from four pixels, and weighted where there is a mask."""
    sampled = out.shape[0] * image.shape[1] * math.prod(weight.shape[2:]) * math.prod(out.shape[2:])
    modulated = sampled if mask.numel() else 0
    return Work(out.numel() * math.prod(weight.shape[1:]), {"resize": 4 * sampled, "arithmetic": modulated})
