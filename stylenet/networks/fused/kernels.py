"""Triton kernels for instance normalization, fused with what follows it.

In eager PyTorch a normalized feature map passes through memory seven times between two
convolutions: statistics, scale and shift, ReLU, residual sum, rearrangement, padding. Here it
passes three times: one kernel reads it for the statistics, one reads it again and writes the padded
input of the next convolution. Feature maps lie channels-last.

Sizes, padding and activation are told at run time: each compiled variant takes 0.2 s.
"""

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

# Elements that a program holds at a time: 32 for each thread of four warps.
_BLOCK = 4096
# Programs that gather statistics: four for each multiprocessor of an H100 or H200 (132). Small
# maps have fewer: one block of the last step reads what 128 of them found.
_PROGRAMS = 512
_FEW_PROGRAMS = 128
_SMALL_MAP = 2**23
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
        *("source_rows", "source_columns", "height", "width", "residual_image", "residual_columns"),
        *("has_residual", "per_image", "out_columns", "margin", "reflects", "activation"),
    ]
)
def _transform(
    source,
    scale,
    shift,
    residual,
    out,
    source_rows,
    source_columns,
    height,
    width,
    residual_image,
    residual_columns,
    has_residual,
    per_image,
    out_columns,
    margin,
    reflects,
    activation,
    PLANAR: tl.constexpr,
    SIDE: tl.constexpr,
    STACKED: tl.constexpr,
    SHIFTED: tl.constexpr,
    CELL: tl.constexpr,
    OUT_SIDE: tl.constexpr,
    UNIT: tl.constexpr,
    CHANNELS: tl.constexpr,
    BLOCK_C: tl.constexpr,
    BLOCK_P: tl.constexpr,
):
    # Places are products with the number of channels, so that Triton sees their alignment and loads
    # 16 bytes at a time.
    image = tl.program_id(2).to(tl.int64)
    out_row = tl.program_id(1)
    places = tl.program_id(0) * BLOCK_P + tl.arange(0, BLOCK_P)  # pixels in a row of cells
    here = places < out_columns * OUT_SIDE * OUT_SIDE
    inside = places % (OUT_SIDE * OUT_SIDE)
    y = out_row * OUT_SIDE + inside // OUT_SIDE
    x = places // (OUT_SIDE * OUT_SIDE) * OUT_SIDE + inside % OUT_SIDE
    # From the padded image back to the image.
    y = _mirror(y // UNIT - margin, height // UNIT, reflects) * UNIT + y % UNIT
    x = _mirror(x // UNIT - margin, width // UNIT, reflects) * UNIT + x % UNIT

    channels = tl.arange(0, BLOCK_C)
    mask = here[:, None] & (channels < CHANNELS)[None, :]
    odd_y, odd_x = y % SIDE, x % SIDE
    row, column = y, x
    if SHIFTED:
        row, column = y + odd_y, x + odd_x
    cell = row // SIDE * source_columns + column // SIDE
    first = image * source_rows * source_columns * CELL
    if PLANAR:
        plane = source_rows * source_columns
        values = tl.load(
            source + first + cell[:, None] + channels[None, :] * plane, mask=mask, other=0.0
        )
    else:
        start = cell * CELL
        if STACKED:
            start += (odd_y * SIDE + odd_x) * CHANNELS
        values = tl.load(source + first + start[:, None] + channels[None, :], mask=mask, other=0.0)
    values = values.to(tl.float32)

    own = image * per_image + channels
    factors = tl.load(scale + own, mask=channels < CHANNELS, other=0.0)
    terms = tl.load(shift + own, mask=channels < CHANNELS, other=0.0)
    values = values * factors[None, :] + terms[None, :]
    if has_residual != 0:
        start = (y * residual_columns + x) * CHANNELS
        add = residual + image * residual_image * CHANNELS + start[:, None] + channels[None, :]
        values += tl.load(add, mask=mask, other=0.0).to(tl.float32)
    if activation == 1:
        values = tl.maximum(values, 0.0)
    if activation == 2:
        values = 1.0 / (1.0 + tl.exp(-values))
    if activation == 3:
        values = tl.minimum(tl.maximum(values, 0.0), 1.0)
    row_start = (image * tl.num_programs(1) + out_row) * out_columns * (OUT_SIDE * OUT_SIDE)
    target = out + row_start * CHANNELS + (places * CHANNELS)[:, None] + channels[None, :]
    tl.store(target, values.to(out.dtype.element_ty), mask=mask)


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
    SHIFTED: tl.constexpr,
    CHANNELS: tl.constexpr,
    BLOCK_C: tl.constexpr,
    BLOCK_P: tl.constexpr,
):
    image = tl.program_id(1).to(tl.int64)
    channels = tl.arange(0, BLOCK_C)
    start = tl.program_id(0) * rows_program
    end = tl.minimum(start + rows_program, rows_image)
    first = source + image * rows_image * CHANNELS
    # Differences from one of the pixels keep the digits that sums of squares would lose.
    origin = tl.load(first + start * CHANNELS + channels, mask=channels < CHANNELS, other=0.0)
    origin = origin.to(tl.float32)
    counted = tl.zeros([BLOCK_P], dtype=tl.float32)
    sums = tl.zeros([BLOCK_P, BLOCK_C], dtype=tl.float32)
    squares = tl.zeros([BLOCK_P, BLOCK_C], dtype=tl.float32)
    for block in range(start, end, BLOCK_P):
        rows = block + tl.arange(0, BLOCK_P)
        here = rows < end
        if SHIFTED:  # the border's cells hold pixels of which there are none
            cells, inside = rows // 4, rows % 4
            y, x = cells // per_row - inside // 2, cells % per_row - inside % 2
            here = here & (y >= 0) & (y < height) & (x >= 0) & (x < width)
        mask = here[:, None] & (channels < CHANNELS)[None, :]
        places = first + (rows * CHANNELS)[:, None] + channels[None, :]
        values = tl.load(places, mask=mask, other=0.0).to(tl.float32)
        apart = tl.where(mask, values - origin[None, :], 0.0)
        counted += here.to(tl.float32)
        sums += apart
        squares += apart * apart
    count = tl.sum(counted, 0)
    step = tl.sum(sums, 0) / tl.maximum(count, 1.0)
    mean = origin + step
    spread = tl.maximum(tl.sum(squares, 0) - step * step * count, 0.0)
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
    BLOCK_C: tl.constexpr,
    BLOCK_P: tl.constexpr,
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
        # Chan, Golub, LeVeque 1979: moments of a whole from those of its parts.
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
    programs = _FEW_PROGRAMS if rows_image * channels <= _SMALL_MAP else _PROGRAMS
    parts = min(programs, -(-rows_image // block_p))
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
        source: What is read, ``layout`` says how; channels-last, or for ``PLAIN`` plane by plane.
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
    out_rows, out_columns = (n // side + 2 * margin * unit // side for n in size)
    out = torch.empty(
        (count, side * side * channels, out_rows, out_columns),
        dtype=dtype or source.dtype,
        device=source.device,
        memory_format=torch.channels_last,
    )
    planar = layout == PLAIN and source.is_contiguous()
    if not planar:
        source = source.contiguous(memory_format=torch.channels_last)
    other = source if residual is None else residual
    block_c = triton.next_power_of_2(channels)
    block_p = max(1, _BLOCK // block_c)
    _transform[(triton.cdiv(out_columns * side * side, block_p), out_rows, count)](
        *(source, scale, shift, other, out, *source.shape[2:], height, width),
        *(other.stride(0) // channels, other.stride(2) // channels, int(residual is not None)),
        *(channels if len(scale) > 1 else 0, out_columns, margin, int(padding == "reflect")),
        activation,
        PLANAR=planar,
        SIDE=layout.side,
        STACKED=layout.stacked and layout.side > 1,
        SHIFTED=layout.shifted,
        CELL=source.shape[1],
        OUT_SIDE=side,
        UNIT=unit,
        CHANNELS=channels,
        BLOCK_C=block_c,
        BLOCK_P=block_p,
    )
    return out
