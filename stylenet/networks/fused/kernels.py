"""Triton kernels for instance normalization, fused with the operations after it.

In eager PyTorch, a feature map passes through memory seven times between two convolutions:
statistics, scale and shift, ReLU, residual sum, rearrangement, padding. Here it passes three times:
one kernel reads it for the statistics, a second reads it again and writes the padded input of the
next convolution. Feature maps are channels-last.

Sizes, padding and activation are runtime arguments, because compiling a variant takes 0.2 s.
"""

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

# Elements per program and step: 32 for each thread of four warps.
_BLOCK = 4096
# Programs that gather statistics: about four for each of the 132 multiprocessors of an H100 or
# H200. Small maps have fewer, so that the final step reads their 128 results as one block.
_PROGRAMS = 512
_FEW_PROGRAMS = 128
_SMALL_MAP = 2**23
# Channels, and partial results at a time, that one program of the final step reduces.
_FINISH_CHANNELS = 8
_FINISH_ROWS = 128

NO_ACTIVATION, RELU, SIGMOID, CLAMP = range(4)


@dataclass(frozen=True)
class Layout:
    """Arrangement of an image's pixels in the cells of a channels-last tensor.

    Attributes:
        side: Pixels along each side of a cell.
        stacked: Whether each pixel of a cell has its own channels. Otherwise all pixels of a cell
            have the same values (nearest-neighbor upsampling).
        shifted: Whether pixel (2 i + a, 2 j + b) lies in cell (i + a, j + b), as the four
            kernels of :class:`stylenet.networks.convolutions.UpsampleConvolution` compute them.
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
    """Map positions outside [0, size) into it, by reflection or to the border."""
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
    # Offsets are multiples of the number of channels, so that Triton recognizes their alignment and
    # loads 16 bytes at a time.
    image = tl.program_id(2).to(tl.int64)
    out_row = tl.program_id(1)
    pixels = tl.program_id(0) * BLOCK_P + tl.arange(0, BLOCK_P)  # in one row of output cells
    valid = pixels < out_columns * OUT_SIDE * OUT_SIDE
    inside = pixels % (OUT_SIDE * OUT_SIDE)  # position in the cell
    y = out_row * OUT_SIDE + inside // OUT_SIDE
    x = pixels // (OUT_SIDE * OUT_SIDE) * OUT_SIDE + inside % OUT_SIDE
    # From coordinates in the padded image to coordinates in the image.
    y = _mirror(y // UNIT - margin, height // UNIT, reflects) * UNIT + y % UNIT
    x = _mirror(x // UNIT - margin, width // UNIT, reflects) * UNIT + x % UNIT

    channels = tl.arange(0, BLOCK_C)
    mask = valid[:, None] & (channels < CHANNELS)[None, :]
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

    offsets = image * per_image + channels
    scales = tl.load(scale + offsets, mask=channels < CHANNELS, other=0.0)
    shifts = tl.load(shift + offsets, mask=channels < CHANNELS, other=0.0)
    values = values * scales[None, :] + shifts[None, :]
    if has_residual != 0:
        start = (y * residual_columns + x) * CHANNELS
        addend = residual + image * residual_image * CHANNELS + start[:, None] + channels[None, :]
        values += tl.load(addend, mask=mask, other=0.0).to(tl.float32)
    if activation == 1:
        values = tl.maximum(values, 0.0)
    if activation == 2:
        values = 1.0 / (1.0 + tl.exp(-values))
    if activation == 3:
        values = tl.minimum(tl.maximum(values, 0.0), 1.0)
    row_start = (image * tl.num_programs(1) + out_row) * out_columns * (OUT_SIDE * OUT_SIDE)
    target = out + row_start * CHANNELS + (pixels * CHANNELS)[:, None] + channels[None, :]
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
    # Summing differences from one pixel avoids the cancellation of plain sums of squares.
    origin = tl.load(first + start * CHANNELS + channels, mask=channels < CHANNELS, other=0.0)
    origin = origin.to(tl.float32)
    counted = tl.zeros([BLOCK_P], dtype=tl.float32)
    sums = tl.zeros([BLOCK_P, BLOCK_C], dtype=tl.float32)
    squares = tl.zeros([BLOCK_P, BLOCK_C], dtype=tl.float32)
    for block in range(start, end, BLOCK_P):
        rows = block + tl.arange(0, BLOCK_P)
        valid = rows < end
        if SHIFTED:  # cells at the border hold positions outside the image
            cells, inside = rows // 4, rows % 4
            y, x = cells // per_row - inside // 2, cells % per_row - inside % 2
            valid = valid & (y >= 0) & (y < height) & (x >= 0) & (x < width)
        mask = valid[:, None] & (channels < CHANNELS)[None, :]
        address = first + (rows * CHANNELS)[:, None] + channels[None, :]
        values = tl.load(address, mask=mask, other=0.0).to(tl.float32)
        difference = tl.where(mask, values - origin[None, :], 0.0)
        counted += valid.to(tl.float32)
        sums += difference
        squares += difference * difference
    count = tl.sum(counted, 0)
    offset = tl.sum(sums, 0) / tl.maximum(count, 1.0)
    mean = origin + offset
    spread = tl.maximum(tl.sum(squares, 0) - offset * offset * count, 0.0)
    part = image * tl.num_programs(0) + tl.program_id(0)
    tl.store(counts + part, count)
    tl.store(means + part * CHANNELS + channels, mean, mask=channels < CHANNELS)
    tl.store(spreads + part * CHANNELS + channels, spread, mask=channels < CHANNELS)


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
        valid = part < parts
        offsets = (image * parts + part)[:, None] * channels + channel[None, :]
        mask = valid[:, None] & inside[None, :]
        part_counts = tl.load(counts + image * parts + part, mask=valid, other=0.0)
        part_means = tl.load(means + offsets, mask=mask, other=0.0)
        part_spreads = tl.load(spreads + offsets, mask=mask, other=0.0)
        block_count = tl.sum(part_counts, 0)
        # Mean and squared deviations of a union from those of its parts: Chan, Golub, LeVeque 1979.
        block_mean = tl.sum(part_means * part_counts[:, None], 0) / tl.maximum(block_count, 1.0)
        difference = part_means - block_mean[None, :]
        fraction = block_count / tl.maximum(count + block_count, 1.0)
        step = block_mean - mean
        spread += tl.sum(part_spreads + difference * difference * part_counts[:, None], 0)
        spread += step * step * count * fraction
        mean += step * fraction
        count += block_count
    scales = tl.load(weight + channel, mask=inside, other=0.0)
    scales = scales / tl.sqrt(spread / count + eps)
    shifts = tl.load(bias + channel, mask=inside, other=0.0) - mean * scales
    tl.store(scale + image * channels + channel, scales, mask=inside)
    tl.store(shift + image * channels + channel, shifts, mask=inside)


def instance_statistics(
    features: Tensor, weight: Tensor, bias: Tensor, eps: float, layout: Layout = PLAIN
) -> tuple[Tensor, Tensor]:
    """Reduce instance normalization to a scale and a shift for each channel of each image.

    Args:
        features: Channels-last, shape (N, side² C, H / side, W / side) for cells of side² pixels;
            ``PHASES`` has one more row and column of cells.
        weight: Learned scales, shape (C,), float32.
        bias: Learned shifts, shape (C,), float32.
        eps: Added to the variance.
        layout: Arrangement of the pixels in ``features``.

    Returns:
        Scales and shifts, each of shape (N, C), float32.
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
        source: Feature map in the arrangement ``layout``, channels-last; with ``PLAIN`` also in
            PyTorch's default memory format.
        scale: Shape (N, C), or (1, C) for all images, float32.
        shift: Shape (N, C) or (1, C), float32.
        size: Height and width of the image in pixels; ``source`` is cropped to it.
        layout: Arrangement of the pixels in ``source``.
        out_layout: Arrangement of the pixels in the result, ``PLAIN`` or squares.
        margin: Padding on each side, in pixels, or in cells with ``pad_cells``.
        padding: ``reflect`` or ``replicate``.
        pad_cells: Whether whole cells of ``out_layout`` are mirrored instead of pixels.
        activation: ``NO_ACTIVATION``, ``RELU``, ``SIGMOID`` or ``CLAMP`` (to [0, 1]).
        residual: Added before the activation, shape (N, C, height, width), the channels of a pixel
            contiguous in memory.
        dtype: Data type of the result; ``None`` for that of ``source``.

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
    addend = source if residual is None else residual  # a kernel argument cannot be None
    block_c = triton.next_power_of_2(channels)
    block_p = max(1, _BLOCK // block_c)
    _transform[(triton.cdiv(out_columns * side * side, block_p), out_rows, count)](
        *(source, scale, shift, addend, out, *source.shape[2:], height, width),
        *(addend.stride(0) // channels, addend.stride(2) // channels, int(residual is not None)),
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
