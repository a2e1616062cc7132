"""Measure speed and memory in suites, each beside a plain reference."""

from stylenet.benchmark.bench import Bench, Conditions, Trained, parse_sizes
from stylenet.benchmark.contention_suite import ContentionSuite
from stylenet.benchmark.curve_suite import CurveSuite
from stylenet.benchmark.data_suite import DataSuite
from stylenet.benchmark.inference_suite import InferenceSuite
from stylenet.benchmark.memory_suite import MemorySuite
from stylenet.benchmark.rows import Row, describe_machine, write_rows
from stylenet.benchmark.steady_suite import SteadySuite
from stylenet.benchmark.training_suite import TrainingSuite
from stylenet.benchmark.video_suite import VideoSuite

__all__ = [
    "Bench",
    "Conditions",
    "ContentionSuite",
    "CurveSuite",
    "DataSuite",
    "InferenceSuite",
    "MemorySuite",
    "Row",
    "SteadySuite",
    "Trained",
    "TrainingSuite",
    "VideoSuite",
    "describe_machine",
    "parse_sizes",
    "write_rows",
]
