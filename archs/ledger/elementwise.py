"""Rules of the operators without MACs: what they do to how many elements.

Pointwise work counts the elements put out; reductions, norms, softmax and sorting those taken in; pooling and
resizing those put out times the taps that each is made of; a Fourier transform of n numbers 5 n log2 n (half of
it where one side is real). Moving data is not an operation and only moves bytes; views do neither.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import Tensor

from skipbench.archs.ledger.work import Kind, Rule, Work, elements, register_cost, same_for


def put_out(kind: Kind) -> Rule:
    """Return the rule of a pointwise operator: one operation per element that it puts out."""
    return lambda out, *args, **options: Work(0, {kind: elements(out)})


def _taken_in(kind: Kind) -> Rule:
    return lambda out, x, *args, **options: Work(0, {kind: elements(x if isinstance(x, Tensor) else out)})


# What torch marks as pointwise and no rule names is arithmetic; these are not, or are not marked.
same_for(
    put_out("activation"),
    """_prelu_kernel acos acosh asin asinh atan atan2 atanh celu cos cosh digamma elu erf erfc erfinv exp exp2
    expm1 gelu glu hardshrink hardsigmoid hardswish hardtanh leaky_relu lgamma log log10 log1p log2
    log_sigmoid_forward logaddexp logit mish pow prelu relu relu6 rrelu_with_noise rsqrt selu sigmoid silu sin
    sinc sinh softplus softshrink sqrt tan tanh threshold""",
)
same_for(
    put_out("comparison"),
    """bitwise_and bitwise_not bitwise_or bitwise_xor bucketize clamp clamp_max clamp_min eq fmax fmin ge gt
    isfinite isin isinf isnan le logical_and logical_not logical_or logical_xor lt masked_fill maximum minimum
    ne searchsorted sign where""",
)
same_for(put_out("arithmetic"), "complex polar tril triu")
same_for(
    put_out("random"),
    """bernoulli cauchy exponential geometric log_normal multinomial native_dropout normal rand rand_like
    randint randint_like randn randn_like random randperm uniform""",
)

same_for(
    _taken_in("norm"),
    """native_batch_norm native_group_norm native_layer_norm _native_batch_norm_legit batch_norm_elemt
    _native_batch_norm_legit_no_training _batch_norm_with_update _batch_norm_no_update cudnn_batch_norm
    miopen_batch_norm _fused_rms_norm renorm""",
)
same_for(_taken_in("softmax"), "_softmax _log_softmax _safe_softmax logsumexp _logcumsumexp")
same_for(
    _taken_in("reduction"),
    """all amax amin aminmax any argmax argmin bincount col2im count_nonzero cummax cummin cumprod cumsum
    embedding_bag _embedding_bag _embedding_bag_forward_only index_add index_reduce linalg_vector_norm max
    mean median min mode nanmedian nansum norm prod scatter_add scatter_reduce std std_mean sum trace
    unique_consecutive _unique2 var var_mean _weight_norm_interface""",
)
same_for(_taken_in("sort"), "sort topk kthvalue msort")
same_for(
    _taken_in("pooling"),
    "_adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_max_pool2d adaptive_max_pool3d mkldnn_adaptive_avg_pool2d",
)


def _pooling(axes: int, out: Tensor, x: Tensor, kernel: Sequence[int], *rest: Any, **options: Any) -> Work:
    """Each output is taken from a window; a single number is its side on every axis."""
    sides = [kernel] * axes if isinstance(kernel, int) else list(kernel) * (axes if len(kernel) == 1 else 1)
    return Work(0, {"pooling": out.numel() * math.prod(sides)})


for _axes in (1, 2, 3):
    same_for(partial(_pooling, _axes), f"max_pool{_axes}d_with_indices avg_pool{_axes}d max_pool{_axes}d")


def _resize(taps: int, out: Tensor, x: Tensor, *rest: Any, **options: Any) -> Work:
    """Each output is a weighted sum over `taps` inputs a side."""
    return Work(0, {"resize": out.numel() * taps ** (x.dim() - 2)})


def _antialiased(taps: int, out: Tensor, x: Tensor, *rest: Any, **options: Any) -> Work:
    """The same; where the result is smaller, the taps reach as much farther."""
    sides = zip(x.shape[2:], out.shape[2:], strict=True)
    return Work(0, {"resize": out.numel() * math.prod(math.ceil(taps * max(1, old / new)) for old, new in sides)})


same_for(partial(_resize, 2), "upsample_linear1d upsample_bilinear2d upsample_trilinear3d")
same_for(partial(_resize, 2), "grid_sampler_2d grid_sampler_3d _grid_sampler_2d_cpu_fallback")
same_for(partial(_resize, 4), "upsample_bicubic2d")
same_for(partial(_antialiased, 2), "_upsample_bilinear2d_aa")
same_for(partial(_antialiased, 4), "_upsample_bicubic2d_aa")


@register_cost("aten::_cdist_forward")
def _distance(out: Tensor, left: Tensor, right: Tensor, *rest: Any) -> Work:
    """(..., P, D) and (..., R, D): D differences per pair, their powers and their sum."""
    pairs = out.numel() * left.shape[-1]
    return Work(0, {"arithmetic": 2 * pairs, "reduction": pairs})


def _fourier(real_side: Tensor, dims: Sequence[int], share: float) -> Work:
    length = math.prod(real_side.shape[axis] for axis in dims)
    return Work(0, {"fft": round(share * 5 * real_side.numel() * math.log2(length))})


@register_cost("aten::_fft_c2c")
def _complex_fourier(out: Tensor, x: Tensor, dims: Sequence[int], *rest: Any) -> Work:
    """5 n log2 n for every n numbers that are transformed together."""
    return _fourier(x, dims, 1)


@register_cost("aten::_fft_r2c")
def _real_fourier(out: Tensor, x: Tensor, dims: Sequence[int], *rest: Any) -> Work:
    """Half of that, where the numbers are real."""
    return _fourier(x, dims, 0.5)


@register_cost("aten::_fft_c2r")
def _fourier_to_real(out: Tensor, x: Tensor, dims: Sequence[int], *rest: Any) -> Work:
    """The same, where the result is real."""
    return _fourier(out, dims, 0.5)


# Operators that put data elsewhere and compute nothing.
same_for(
    lambda out, *args, **options: Work(),
    """_index_put_impl _to_copy _unsafe_index _unsafe_index_put _upsample_nearest_exact1d
    _upsample_nearest_exact2d _upsample_nearest_exact3d arange as_strided_copy cat channel_shuffle clone
    constant_pad_nd contiguous copy diag_embed diagonal_scatter embedding eye fill flip full full_like gather
    im2col index index_copy index_fill index_put index_select linspace logspace masked_scatter masked_select
    max_unpool2d max_unpool3d narrow_copy native_channel_shuffle new_full new_ones new_zeros nonzero ones
    ones_like pixel_shuffle pixel_unshuffle reflection_pad1d reflection_pad2d reflection_pad3d repeat
    repeat_interleave replication_pad1d replication_pad2d replication_pad3d roll rot90 scalar_tensor scatter
    select_scatter slice_scatter split_with_sizes_copy stack take tril_indices triu_indices unfold_copy
    upsample_nearest1d upsample_nearest2d upsample_nearest3d view_copy zero zeros zeros_like""",
)
# Of these, some read what they find and not all that they search, and some don't read what they write to.
SELECTS = frozenset(
    ("aten::embedding", "aten::gather", "aten::index", "aten::_unsafe_index", "aten::index_select", "aten::take")
)
OVERWRITES = frozenset(("aten::copy_", "aten::fill_", "aten::zero_"))

# Operators that touch no data: bookkeeping of shapes, and memory that is only set aside.
_FREE = """_assert_async _assert_scalar _assert_tensor_metadata _has_compatible_shallow_copy_type
    _local_scalar_dense _reshape_alias _unsafe_view alias detach detach_ empty empty_like empty_permuted
    empty_strided is_same_size item lift lift_fresh new_empty new_empty_strided resize_ set_ sym_numel sym_size
    sym_storage_offset sym_stride unsafe_chunk unsafe_split unsafe_split_with_sizes"""
FREE = frozenset(f"aten::{name}" for name in _FREE.split())
