"""Triton kernels for instance normalization, fused with what follows it.

In eager PyTorch a normalized feature map passes through memory seven times between two
convolutions: statistics, scale and shift, ReLU, residual sum, rearrangement, padding. Here it passes
three times: one kernel reads it for the statistics, one reads it again and writes the padded input of
the next convolution. Feature maps lie channels-last.

What the kernels are told at run time instead of at compile time (layout, padding, activation) costs
nothing beside the memory, and keeps the number of compiled variants, 0.2 s each, small.
"""

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

# Elements that a program holds at a time: 32 for each thread of four warps.
_BLOCK = 4096
# Programs that gather statistics: four for each multiprocessor of an H100 or H200 (132).
_PROGRAMS = 512
# Channels that one program of the last step of the statistics reduces.
_FINISH_CHANNELS = 8
_FINISH_ROWS = 128

NO_ACTIVATION, RELU, SIGMOID, CLAMP = range(4)


@dataclass(frozen=True)
class Layout:
    """How the pixels of an image lie in the cells of a channels-last tensor.

    Attributes:
        side: Pixels along each side of a cell.
        stacked: Whether each pixel of a cell has channels of its own; without, all pixels of a cell
            are the same (nearest-neighbor upsampling).
        shifted: Whether pixel (2 i + a, 2 j + b) lies in cell (i + a, j + b), as an upsampling
            convolution leaves it.
    """

    side: int = 1
    stacked: bool = True
    shifted: bool = False


PLAIN = Layout()
SQUARES = Layout(2)
DOUBLED = Layout(2, stacked=False)
PHASES = Layout(2, shifted=True)


@triton.jit
def _mirror(position, size, reflects):
    """Brings positions beyond a side back into it, by reflection or to the border."""
    reflected = tl.abs(position)
    reflected = tl.minimum(reflected, 2 * (size - 1) - reflected)
    clamped = tl.minimum(tl.maximum(position, 0), size - 1)
    return tl.where(reflects != 0, reflected, clamped)


@triton.jit(
    do_not_specialize=[
        *("source_image", "source_row", "source_cell", "source_channel", "source_pixel"),
        *("source_side", "shifted", "height", "width", "residual_image", "residual_row"),
        *("has_residual", "per_image", "out_height", "out_width", "out_side", "unit", "margin"),
        *("reflects", "activation"),
    ]
)
def _transform(
    source,
    scale,
    shift,
    residual,
    out,
    source_image,
    source_row,
    source_cell,
    source_channel,
    source_pixel,
    source_side,
    shifted,
    height,
    width,
    residual_image,
    residual_row,
    has_residual,
    per_image,
    out_height,
    out_width,
    out_side,
    unit,
    margin,
    reflects,
    activation,
    CHANNELS: tl.constexpr,  # noqa: N803
    BLOCK_C: tl.constexpr,  # noqa: N803
    BLOCK_P: tl.constexpr,  # noqa: N803
):
    image = tl.program_id(1).to(tl.int64)
    rows = tl.program_id(0) * BLOCK_P + tl.arange(0, BLOCK_P)  # pixels as they lie in `out`
    here = rows < out_height * out_width
    cells = rows // (out_side * out_side)
    inside = rows % (out_side * out_side)
    per_row = out_width // out_side
    y = (cells // per_row) * out_side + inside // out_side
    x = (cells % per_row) * out_side + inside % out_side
    # From the padded image back to the image.
    y = _mirror(y // unit - margin, height // unit, reflects) * unit + y % unit
    x = _mirror(x // unit - margin, width // unit, reflects) * unit + x % unit

    channels = tl.arange(0, BLOCK_C)
    mask = here[:, None] & (channels < CHANNELS)[None, :]
    odd_y, odd_x = y % source_side, x % source_side
    row = (y + shifted * odd_y) // source_side
    cell = (x + shifted * odd_x) // source_side
    offset = row * source_row + cell * source_cell + (odd_y * source_side + odd_x) * source_pixel
    places = source + image * source_image + offset[:, None] + channels[None, :] * source_channel
    values = tl.load(places, mask=mask, other=0.0).to(tl.float32)

    own = image * per_image + channels
    factors = tl.load(scale + own, mask=channels < CHANNELS, other=0.0)
    terms = tl.load(shift + own, mask=channels < CHANNELS, other=0.0)
    values = values * factors[None, :] + terms[None, :]
    offset = y * residual_row + x * CHANNELS
    places = residual + image * residual_image + offset[:, None] + channels[None, :]
    values += tl.load(places, mask=mask & (has_residual != 0), other=0.0).to(tl.float32)
    if activation == 1:
        values = tl.maximum(values, 0.0)
    if activation == 2:
        values = 1.0 / (1.0 + tl.exp(-values))
    if activation == 3:
        values = tl.minimum(tl.maximum(values, 0.0), 1.0)
    start = image * out_height * out_width * CHANNELS
    places = out + start + (rows * CHANNELS)[:, None] + channels[None, :]
    tl.store(places, values.to(out.dtype.element_ty), mask=mask)


@triton.jit(do_not_specialize=["rows_image", "rows_program", "per_row", "height", "width"])
def _gather_statistics(
    source,
    counts,
    means,
    spreads,
    rows_image,
    rows_program,
    per_row,
    height,
    width,
    SHIFTED: tl.constexpr,  # noqa: N803
    CHANNELS: tl.constexpr,  # noqa: N803
    BLOCK_C: tl.constexpr,  # noqa: N803
    BLOCK_P: tl.constexpr,  # noqa: N803
):
    image = tl.program_id(1).to(tl.int64)
    channels = tl.arange(0, BLOCK_C)
    count = 0.0
    mean = tl.zeros([BLOCK_C], dtype=tl.float32)
    spread = tl.zeros([BLOCK_C], dtype=tl.float32)
    start = tl.program_id(0) * rows_program
    end = tl.minimum(start + rows_program, rows_image)
    for first in range(start, end, BLOCK_P):
        rows = first + tl.arange(0, BLOCK_P)
        here = rows < end
        if SHIFTED:  # the border's cells hold pixels of which there are none
            cells, inside = rows // 4, rows % 4
            y, x = cells // per_row - inside // 2, cells % per_row - inside % 2
            here = here & (y >= 0) & (y < height) & (x >= 0) & (x < width)
        mask = here[:, None] & (channels < CHANNELS)[None, :]
        places = source + image * rows_image * CHANNELS
        places = places + (rows * CHANNELS)[:, None] + channels[None, :]
        values = tl.load(places, mask=mask, other=0.0).to(tl.float32)
        more = tl.sum(here.to(tl.float32), 0)
        own = tl.sum(values, 0) / tl.maximum(more, 1.0)
        apart = tl.where(mask, values - own[None, :], 0.0)
        # Chan, Golub, LeVeque 1979: moments of a whole from those of its parts.
        share = more / tl.maximum(count + more, 1.0)
        step = own - mean
        spread += tl.sum(apart * apart, 0) + step * step * count * share
        mean += step * share
        count += more
    place = image * tl.num_programs(0) + tl.program_id(0)
    tl.store(counts + place, count)
    tl.store(means + place * CHANNELS + channels, mean, mask=channels < CHANNELS)
    tl.store(spreads + place * CHANNELS + channels, spread, mask=channels < CHANNELS)


@triton.jit(do_not_specialize=["parts", "channels", "eps"])
def _finish_statistics(
    counts,
    means,
    spreads,
    weight,
    bias,
    scale,
    shift,
    parts,
    channels,
    eps,
    BLOCK_C: tl.constexpr,  # noqa: N803
    BLOCK_P: tl.constexpr,  # noqa: N803
):
    image = tl.program_id(1)
    channel = tl.program_id(0) * BLOCK_C + tl.arange(0, BLOCK_C)
    inside = channel < channels
    count = 0.0
    mean = tl.zeros([BLOCK_C], dtype=tl.float32)
    spread = tl.zeros([BLOCK_C], dtype=tl.float32)
    for first in range(0, parts, BLOCK_P):
        part = first + tl.arange(0, BLOCK_P)
        here = part < parts
        places = (image * parts + part)[:, None] * channels + channel[None, :]
        mask = here[:, None] & inside[None, :]
        numbers = tl.load(counts + image * parts + part, mask=here, other=0.0)
        own = tl.load(means + places, mask=mask, other=0.0)
        own_spread = tl.load(spreads + places, mask=mask, other=0.0)
        more = tl.sum(numbers, 0)
        average = tl.sum(own * numbers[:, None], 0) / tl.maximum(more, 1.0)
        apart = own - average[None, :]
        share = more / tl.maximum(count + more, 1.0)
        step = average - mean
        spread += tl.sum(own_spread + apart * apart * numbers[:, None], 0)
        spread += step * step * count * share
        mean += step * share
        count += more
    factor = tl.load(weight + channel, mask=inside, other=0.0)
    factor = factor / tl.sqrt(spread / count + eps)
    term = tl.load(bias + channel, mask=inside, other=0.0) - mean * factor
    tl.store(scale + image * channels + channel, factor, mask=inside)
    tl.store(shift + image * channels + channel, term, mask=inside)


def instance_statistics(
    features: Tensor, weight: Tensor, bias: Tensor, eps: float, layout: Layout = PLAIN
) -> tuple[Tensor, Tensor]:
    """Reduce instance normalization to a scale and a shift for each channel of each image.

    Args:
        features: Shape (N, C, H, W), channels-last; with several pixels to a cell
            (N, side² C, H / side, W / side), for ``PHASES`` one cell more along each side.
        weight: The learned scales, shape (C,), float32.
        bias: The learned shifts, the same.
        eps: Added to the variance.
        layout: Where the pixels lie.

    Returns:
        Scales and shifts, shape (N, C) each, float32.
    """
    count, stacked, rows, columns = features.shape
    channels = len(weight)
    block_c = triton.next_power_of_2(channels)
    block_p = max(1, _BLOCK // block_c)
    rows_image = rows * columns * (stacked // channels)
    parts = min(_PROGRAMS, -(-rows_image // block_p))
    rows_program = -(-rows_image // (parts * block_p)) * block_p
    parts = -(-rows_image // rows_program)
    new = features.new_empty
    counts = new(count, parts, dtype=torch.float32)
    means, spreads = (new(count, parts, channels, dtype=torch.float32) for _ in range(2))
    _gather_statistics[(parts, count)](
        *(features, counts, means, spreads, rows_image, rows_program, columns),
        *(rows - 1, columns - 1),
        SHIFTED=layout.shifted,
        CHANNELS=channels,
        BLOCK_C=block_c,
        BLOCK_P=block_p,
    )
    scale, shift = (new(count, channels, dtype=torch.float32) for _ in range(2))
    _finish_statistics[(-(-channels // _FINISH_CHANNELS), count)](
        *(counts, means, spreads, weight, bias, scale, shift, parts, channels, eps),
        BLOCK_C=_FINISH_CHANNELS,
        BLOCK_P=_FINISH_ROWS,
    )
    return scale, shift


def transform(
    source: Tensor,
    scale: Tensor,
    shift: Tensor,
    size: tuple[int, int],
    *,
    layout: Layout = PLAIN,
    out_layout: Layout = PLAIN,
    margin: int = 0,
    padding: str = "reflect",
    pad_cells: bool = False,
    activation: int = NO_ACTIVATION,
    residual: Tensor | None = None,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Scale and shift each channel, add, activate, rearrange and pad in one pass.

    Args:
        source: What is read, ``layout`` says how; any strides for ``PLAIN``, else channels-last.
        scale: Shape (N, C), or (1, C) for all images, float32.
        shift: The same.
        size: Height and width of the image in pixels; what lies beyond in ``source`` is left out.
        layout: Where the pixels lie in ``source``.
        out_layout: Where they are written to, ``PLAIN`` or squares.
        margin: Pixels (cells, see ``pad_cells``) added on each side.
        padding: ``reflect`` or ``replicate``.
        pad_cells: Whether whole cells of ``out_layout`` are mirrored instead of pixels.
        activation: One of ``NO_ACTIVATION``, ``RELU``, ``SIGMOID`` and ``CLAMP`` (to [0, 1]).
        residual: Added before the activation, shape (N, C, height, width), pixels of C neighbors
            in memory.
        dtype: Of the result; ``None`` for that of ``source``.

    Returns:
        Channels-last, shape (N, side² C, (height + 2 margin) / side, (width + 2 margin) / side).
    """
    count, channels = len(source), scale.shape[1]
    height, width = size
    side = out_layout.side
    unit = side if pad_cells else 1
    out_height, out_width = height + 2 * margin * unit, width + 2 * margin * unit
    out = torch.empty(
        (count, side * side * channels, out_height // side, out_width // side),
        dtype=dtype or source.dtype,
        device=source.device,
        memory_format=torch.channels_last,
    )
    block_c = triton.next_power_of_2(channels)
    block_p = max(1, _BLOCK // block_c)
    other = source if residual is None else residual
    image, channel, row, cell = source.stride()
    _transform[(triton.cdiv(out_height * out_width, block_p), count)](
        *(source, scale, shift, other, out, image, row, cell, channel),
        *(channels if layout.stacked and layout.side > 1 else 0, layout.side),
        *(int(layout.shifted), height, width, other.stride(0), other.stride(2)),
        *(int(residual is not None), channels if len(scale) > 1 else 0, out_height, out_width),
        *(side, unit, margin, int(padding == "reflect"), activation),
        CHANNELS=channels,
        BLOCK_C=block_c,
        BLOCK_P=block_p,
    )
    return out
