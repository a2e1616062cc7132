"""The trainer of a command, fitted to options, launcher and machine."""

import logging
import warnings
from typing import Any

import pytorch_lightning as pl
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from stylenet.cli.app import build
from stylenet.cli.experiment import ComposedExperiment
from stylenet.errors import StyleNetError, check_number
from stylenet.ranks import read_launch
from stylenet.training import RunFolder
from stylenet.training.callbacks import SafeCheckpointIO
from stylenet.training.cluster import choose_environment, count_devices
from stylenet.training.hardware import choose_precision
from stylenet.training.scaling import Pace


def make_trainer(config: DictConfig, folder: RunFolder, **changes: Any) -> pl.Trainer:
    """Build the trainer with its callbacks and logger.

    Args:
        config: All options of the command.
        folder: Paths of the run.
        **changes: Arguments of the trainer that replace options in ``trainer``.

    Raises:
        StyleNetError: A value is impossible, or contradicts the launcher or the machine.
    """
    options = config.trainer
    launch = read_launch()
    devices, machines = count_devices(launch, **options)
    callbacks = [build(callback) for callback in config.callbacks.values() if callback]
    precision = choose_precision(options.precision, options.accelerator)
    arguments = {
        "precision": precision,
        # A list names the GPUs themselves.
        "devices": list(options.devices) if OmegaConf.is_list(options.devices) else devices,
        "num_nodes": machines,
        "default_root_dir": str(folder.path),
        "callbacks": callbacks,
        "logger": build(config.logger),
        "plugins": [SafeCheckpointIO(), choose_environment(launch)],
    }
    try:
        return build(options, **{**arguments, **changes})
    except InstantiationException as error:
        cause = error.__cause__
        if not isinstance(cause, MisconfigurationException | ValueError | TypeError):
            raise
        raise StyleNetError(
            f"trainer.accelerator={options.accelerator} trainer.devices={options.devices} "
            f"trainer.precision={options.precision} cannot be used here: "
            f"{str(cause).rstrip('.')}. Set trainer.accelerator=auto to use what this machine has."
        ) from error


def adapt_to_devices(experiment: ComposedExperiment) -> None:
    """Check the numbers of the trainer, and adapt a recipe for one device to several devices.

    Options that the user set stay.

    Args:
        experiment: All options of the command, changed in place.

    Raises:
        StyleNetError: An option of the trainer is impossible, or contradicts the launcher.
    """
    config = experiment.config
    for name in ("max_steps", "log_every_n_steps", "accumulate_grad_batches"):
        check_number(f"trainer.{name}", config.trainer[name], minimum=1, integer=True)
    if config.trainer.gradient_clip_val is not None:
        check_number("trainer.gradient_clip_val", config.trainer.gradient_clip_val, above=0)
    devices, machines = count_devices(read_launch(), **config.trainer)
    if devices * machines == 1:
        return
    warmup_steps = config.schedule.get("warmup_steps", 0)  # a scheduler of PyTorch has none
    pace = Pace(config.trainer.max_steps, warmup_steps, config.optimizer.lr).on(devices * machines)
    for group, name, value in (
        ("trainer", "max_steps", pace.max_steps),
        ("schedule", "warmup_steps", pace.warmup_steps),
        ("optimizer", "lr", pace.lr),
    ):
        if name in config[group] and not experiment.overrides_option(f"{group}.{name}"):
            config[group][name] = value


def quiet_lightning(errors_only: bool = False) -> None:
    """Hide Lightning's remarks about behavior that is intended here.

    Args:
        errors_only: Whether to hide all other warnings, too, for measurements.
    """
    for name in ("pytorch_lightning", "lightning_fabric", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR if errors_only else logging.WARNING)
    if errors_only:
        warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric")
    for remark in (
        ".*does not have many workers.*",
        ".*in eval mode at the start of training.*",  # the frozen encoder
        ".*LeafSpec.* is deprecated.*",  # Lightning's own use of PyTorch
        ".*`broadcast_buffers` is deprecated.*",  # its successor is not in older PyTorch
        ".*`srun` command is available.*",  # a run outside a job, on a machine that has Slurm
    ):
        warnings.filterwarnings("ignore", remark)
