import pytest
import torch

from stylenet.benchmark import parse_sizes
from stylenet.benchmark.counting import counting
from stylenet.benchmark.peak_memory import PeakMemory
from stylenet.benchmark.peaks import PeakMeter
from stylenet.benchmark.timing import Timing, alternate, quartiles
from stylenet.errors import StyleNetError

CPU = torch.device("cpu")


def test_calls_take_turns_and_lead_equally_often():
    order = []
    timings = alternate([lambda: order.append("a"), lambda: order.append("b")], 4, 1, CPU)
    assert "".join(order) == "ab" + "abbaabba"
    assert [len(timing.seconds) for timing in timings] == [4, 4]


def test_a_timing_has_median_and_quartiles():
    timing = Timing([4.0, 1.0, 3.0, 2.0, 100.0])
    assert timing.median == 3
    assert timing.quartiles == (2, 4)
    assert timing.each(2).median == 1.5
    assert quartiles([7.0]) == (7, 7)


def test_arithmetic_and_bytes_of_a_convolution_are_counted():
    convolution = torch.nn.Conv2d(2, 4, 3, bias=False)
    images = torch.rand(1, 2, 10, 10)
    with counting() as work:
        convolution(images)
    assert work.flops == 2 * 4 * 2 * 9 * 64
    assert work.bytes == 4 * (200 + 72 + 256)


def test_the_backward_pass_is_counted():
    matrix = torch.rand(8, 8, requires_grad=True)
    with counting() as work:
        (matrix @ torch.ones(8, 8)).sum().backward()
    assert work.flops == 2 * 2 * 8**3


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_counts_do_not_depend_on_the_mode_or_on_views(mode):
    layer = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 3), torch.nn.InstanceNorm2d(3, affine=True))
    images = torch.rand(1, 3, 8, 8)
    with torch.no_grad(), counting() as expected:
        layer(images)
    with mode(), counting() as work:
        layer(images.view(1, 3, 8, 8))
    assert work == expected


def test_peak_memory_includes_freed_memory():
    # 64 MB, far above what else moves in a process.
    peak = PeakMemory(CPU)
    block = torch.ones(2**24)
    del block
    assert 0.9 * 2**26 < peak.increase() < 1.5 * 2**26


def test_the_best_peak_is_remembered(monkeypatch):
    monkeypatch.setattr("stylenet.benchmark.peaks._MATRIX_SIZE_ELSEWHERE", 64)
    monkeypatch.setattr("stylenet.benchmark.peaks._COPY_BYTES_ELSEWHERE", 2**16)
    meter = PeakMeter(CPU)
    first, second = meter(torch.float32), meter(torch.float32)
    assert 0 < first.flops <= second.flops
    assert 0 < first.bandwidth <= second.bandwidth


@pytest.mark.parametrize(
    ("value", "sizes"),
    [
        (512, [(512, 512)]),
        ("3840x2160", [(3840, 2160)]),
        ([64, "96x32"], [(64, 64), (96, 32)]),
    ],
)
def test_sizes_are_parsed(value, sizes):
    assert parse_sizes(value) == sizes


@pytest.mark.parametrize("value", ["4k", 8, "64x8", [], 1.5, True, [64, 64], -64, None])
def test_invalid_sizes_are_refused(value):
    with pytest.raises(StyleNetError, match="size="):
        parse_sizes(value)
