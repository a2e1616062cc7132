"""The trainer of a command: as its options, the launcher and the machine have it."""

import logging
import warnings

import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from stylenet.cli.app import build
from stylenet.errors import StyleNetError, check_number
from stylenet.ranks import read_launch
from stylenet.training import RunFolder
from stylenet.training.callbacks import SafeCheckpointIO
from stylenet.training.cluster import choose_environment, count_devices
from stylenet.training.hardware import choose_precision
from stylenet.training.scaling import Pace


def make_trainer(config: DictConfig, folder: RunFolder) -> pl.Trainer:
    """Builds the trainer and its callbacks.

    Args:
        config: The whole of the command's options; what the number of devices changes is changed.
        folder: Of the run.

    Returns:
        The trainer.

    Raises:
        StyleNetError: A value is impossible, or contradicts the launcher or the machine.
    """
    options = config.trainer
    for name in ("max_steps", "log_every_n_steps", "accumulate_grad_batches"):
        check_number(f"trainer.{name}", options[name], minimum=1, integer=True)
    if options.gradient_clip_val is not None:
        check_number("trainer.gradient_clip_val", options.gradient_clip_val, above=0)
    launch = read_launch()
    devices, machines = count_devices(launch, options)
    _keep_pace(config, devices * machines)
    callbacks = [build(callback) for callback in config.callbacks.values() if callback]
    precision = choose_precision(options.precision, options.accelerator)
    logger = TensorBoardLogger(folder.tensorboard.parent, name="", version=folder.tensorboard.name)
    try:
        return build(
            options,
            precision=precision,
            # A list names the GPUs themselves.
            devices=list(options.devices) if OmegaConf.is_list(options.devices) else devices,
            num_nodes=machines,
            default_root_dir=str(folder.path),
            callbacks=callbacks,
            logger=logger,
            plugins=[SafeCheckpointIO(), choose_environment(launch)],
        )
    except InstantiationException as error:
        cause = error.__cause__
        if not isinstance(cause, MisconfigurationException | ValueError | TypeError):
            raise
        raise StyleNetError(
            f"trainer.accelerator={options.accelerator} trainer.devices={options.devices} "
            f"trainer.precision={options.precision} cannot be had here: {cause} "
            f"(trainer.accelerator=auto takes what there is)"
        ) from error


def _keep_pace(config: DictConfig, devices: int) -> None:
    """Changes what a recipe for one device says for several; a user's own words stay."""
    if devices == 1:
        return
    given = {item.lstrip("+").partition("=")[0] for item in HydraConfig.get().overrides.task}
    pace = Pace(config.trainer.max_steps, config.optimizer.warmup_steps, config.optimizer.lr)
    pace = pace.on(devices)
    for part, name, value in (
        (config.trainer, "max_steps", pace.max_steps),
        (config.optimizer, "warmup_steps", pace.warmup_steps),
        (config.optimizer, "lr", pace.lr),
    ):
        if part._get_full_key(name) not in given:
            part[name] = value


def quieten_lightning(wholly: bool = False) -> None:
    """Keeps Lightning's remarks about what is meant to be so off the screen.

    Args:
        wholly: Whether to keep all but its errors off, for runs that only serve to measure.
    """
    for name in ("pytorch_lightning", "lightning_fabric", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR if wholly else logging.WARNING)
    if wholly:
        warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric")
    for remark in (
        ".*does not have many workers.*",
        ".*in eval mode at the start of training.*",  # the frozen encoder
        ".*LeafSpec.* is deprecated.*",  # Lightning's own use of PyTorch
        ".*`broadcast_buffers` is deprecated.*",  # its successor is not in older PyTorch
        ".*`srun` command is available.*",  # a run outside a job, on a machine that has Slurm
    ):
        warnings.filterwarnings("ignore", remark)
