"""The command that measures speed and memory."""

from pathlib import Path

import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from stylenet.benchmark import (
    Conditions,
    InferenceSuite,
    describe_machine,
    parse_sizes,
    write_rows,
)
from stylenet.benchmark.plot import draw_plot
from stylenet.benchmark.table import format_table
from stylenet.cli.app import build, run
from stylenet.cli.bench import ConfiguredBench
from stylenet.cli.trainer import quiet_lightning
from stylenet.errors import StyleNetError, check_choice, check_number, explain_out_of_memory
from stylenet.files import check_output, user_path
from stylenet.inference.precision import DTYPES, PRECISIONS, choose_device


def main() -> None:
    """Run ``stylenet benchmark``."""
    run(benchmark, "benchmark")


def benchmark(config: DictConfig) -> None:
    """Run a suite; print a table, write the rows and a plot.

    Args:
        config: configs/benchmark.yaml, composed.

    Raises:
        StyleNetError: An option is impossible, or the machine runs out of memory.
    """
    output = _check_output(str(config.output))
    suite = build(config.suite)
    precisions = PRECISIONS if isinstance(suite, InferenceSuite) else ("auto", *DTYPES)
    check_choice("precision", config.precision, precisions)
    device = choose_device(config.device)
    options = OmegaConf.to_container(config)
    assert isinstance(options, dict)
    conditions = Conditions(
        sizes=parse_sizes(options["size"]),
        batch=config.batch,
        repeats=config.repeats,
        warmup=config.warmup,
        baseline=config.baseline,
        device=device,
        precision=str(config.precision),
    )
    if config.threads is not None:
        check_number("threads", config.threads, minimum=1, integer=True)
        torch.set_num_threads(config.threads)
    quiet_lightning(errors_only=True)
    keys = [item.lstrip("+~").partition("=")[0] for item in HydraConfig.get().overrides.task]
    bench = ConfiguredBench(config, conditions, strict=any("layers" in key for key in keys))
    with explain_out_of_memory(
        f"{device} is out of memory. Use a smaller size or batch, or baseline=false, because the "
        f"reference needs more memory."
    ):
        rows = suite.run(bench)
    machine = describe_machine(device)
    print(format_table(rows, machine))
    write_rows(output, rows, machine)
    print(f"rows: {output}")
    plot = output.with_suffix(".png")
    try:
        draw_plot(plot, rows, machine)
    except ImportError:
        print("no plot, because Matplotlib is missing: pip install 'stylenet[benchmark]'")
    else:
        print(f"plot: {plot}")


def _check_output(name: str) -> Path:
    """Refuse at once a file that could not be written after minutes of measuring."""
    path = user_path(name)
    if path.suffix != ".json":
        raise StyleNetError(f"output={name}: expected a name that ends in .json")
    check_output(path)
    return path
