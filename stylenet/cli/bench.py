"""The objects that benchmarks measure, built from options as the other commands build them."""

import dataclasses
import multiprocessing
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from torch import Tensor

from stylenet.benchmark import Conditions, Trained
from stylenet.cli.app import build
from stylenet.cli.evaluate_inputs import load_checkpoints
from stylenet.cli.loss import build_loss, refuse_module_losses
from stylenet.cli.trainer import quiet_lightning
from stylenet.data import PhotoData, load_style_images
from stylenet.errors import StyleNetError, first_line
from stylenet.evaluation.recipe import loss_key
from stylenet.methods.selection import selection_of
from stylenet.networks import StyleNetwork
from stylenet.perceptual import Encoder, LossTerm, PerceptualLoss, with_style_layers
from stylenet.training import OptimizerFactory, StyleTransferModule, check_compile_mode
from stylenet.training.hardware import choose_precision

# Lightning's names.
_ACCELERATORS = {"cpu": "cpu", "cuda": "gpu", "mps": "mps"}
_PRECISIONS = {"float32": "32-true", "bfloat16": "bf16-mixed", "float16": "16-mixed"}

# For encoders that end early: the layers of configs/experiment/laptop.yaml.
_LAYERS = {
    "content": ("relu2_2",),
    "style": ("relu1_2", "relu2_2", "relu3_2", "relu3_4"),
}


@dataclasses.dataclass(frozen=True)
class ConfiguredBench:
    """Implementation of :class:`stylenet.benchmark.Bench` on a composed config.

    Attributes:
        config: configs/benchmark.yaml, composed.
        conditions: Sizes, repeats, device and precision.
        strict: Whether the user named the layers of the loss, so that they stay as they are.
    """

    config: DictConfig
    conditions: Conditions
    strict: bool

    def network(self, seed: int = 0) -> StyleNetwork:
        """Build the network with fresh weights, always the same for a seed."""
        torch.manual_seed(seed)
        network = build(self.config.network)
        return selection_of(network).example(network)

    def criterion(self) -> tuple[PerceptualLoss, Tensor]:
        """Build the perceptual loss; return it with the first style image."""
        refuse_module_losses(self.config)
        style, terms = build(self.config.style), build_loss(self.config)
        terms = with_style_layers(terms, style.layers)
        encoder = self._encoder()
        if not self.strict:
            terms = _with_layers_of(encoder, terms)
        images = load_style_images(style)
        criterion = PerceptualLoss(encoder, terms, images, style.weight, style.image_weights)
        return criterion, images[0].to(self.conditions.device)

    def module(self, criterion: PerceptualLoss, seed: int = 0) -> StyleTransferModule:
        """Build the Lightning module of ``stylenet train`` around :meth:`network`."""
        trained = build(self.config.network)
        selection = selection_of(trained)
        if selection.styles(trained) != []:
            raise StyleNetError(
                f"network={trained.name} holds {selection.held}, and training steps are measured "
                f"only for one. Choose network=johnson or network=compact, or suite=inference."
            )
        recipe: Any = OmegaConf.to_container(self.config)
        optimizer = OptimizerFactory(build(self.config.optimizer), build(self.config.schedule))
        module = StyleTransferModule(self.network(seed), criterion, optimizer, "none", recipe)
        mode = check_compile_mode(self.config.compile)
        # `auto` compiles only long runs: the ones this short measurement stands for.
        on_gpu = self.conditions.device.type == "cuda"
        module.compile_mode = "true" if mode == "auto" and on_gpu else mode
        return module

    def trainer(self, steps: int, callback: pl.Callback) -> pl.Trainer:
        """Build the trainer of ``stylenet train`` for some steps, without its callbacks."""
        options, device = self.config.trainer, self.conditions.device
        accelerator = _ACCELERATORS.get(device.type, "auto")
        precision = _PRECISIONS.get(self.config.precision, options.precision)
        try:
            return build(
                options,
                precision=choose_precision(precision, accelerator),
                accelerator=accelerator,
                devices=[device.index or 0] if device.type == "cuda" else 1,
                num_nodes=1,
                max_steps=steps,
                callbacks=[callback],
                logger=False,
                plugins=[LightningEnvironment()],  # one process, also inside a Slurm job
            )
        except InstantiationException as error:
            cause = error.__cause__
            if not isinstance(cause, MisconfigurationException | ValueError | TypeError):
                raise
            raise StyleNetError(
                f"Lightning cannot train with precision={precision} on {device} "
                f"({first_line(cause)}). Choose another precision."
            ) from error

    def data(self, size: int) -> PhotoData:
        """Build the data module for crops of a size in pixels."""
        return build(self.config.data, crop_size=size)

    def trained(self, checkpoints: Sequence[str], style_folder: str | None) -> list[Trained]:
        """Load trained networks as ``stylenet evaluate`` does, each with the loss of its style."""
        options = self.config.copy()
        OmegaConf.set_struct(options, False)
        more = {
            "checkpoints": checkpoints,
            "encoder_weights": None,
            "stroke": None,
            "style_weight": None,
            "style_folder": style_folder,
            "dtype": self.conditions.precision,
            "device": str(self.conditions.device),
        }
        for name, value in more.items():
            options[name] = value
        return [
            Trained(item.name, item.stylizer, loss_key(item.style), item.criterion)
            for item in load_checkpoints(options)
        ]

    def run_in_process(self, task: Callable[..., Any], *arguments: Any) -> Any:
        """Run ``task(bench, *arguments)`` in a process of its own and return its result."""
        context = multiprocessing.get_context("spawn")  # a fork would start with our memory
        ours, theirs = context.Pipe(duplex=False)
        threads = torch.get_num_threads()
        process = context.Process(target=_work, args=(theirs, threads, self, task, arguments))
        process.start()
        theirs.close()
        try:
            result = ours.recv()
        except EOFError:
            result = None  # the process ended without sending one
        finally:
            process.join()
        if result is None and (process.exitcode or 0) < 0:
            raise StyleNetError(
                f"a measuring process was ended by signal {-(process.exitcode or 0)}, probably out "
                f"of memory. Use a smaller size or batch, or baseline=false."
            )
        if result is None:
            raise RuntimeError("a measuring process failed, see above")
        if isinstance(result, BaseException):
            raise result
        return result

    def _encoder(self) -> Encoder:
        """Build the encoder without a download: the values of weights do not change the time."""
        options = self.config.encoder
        if options.weights != "imagenet":
            return build(options)
        return build(options, weights="random", allow_random=True)


def _work(
    connection: Connection,
    threads: int,
    bench: ConfiguredBench,
    task: Callable[..., Any],
    arguments: tuple[Any, ...],
) -> None:
    """Run the task in the child process; send its result or its error."""
    torch.set_num_threads(threads)
    quiet_lightning(errors_only=True)
    try:
        result = task(bench, *arguments)
    except (StyleNetError, RuntimeError) as error:
        # Subclasses may not survive pickling.
        error_type = StyleNetError if isinstance(error, StyleNetError) else RuntimeError
        result = error_type(str(error))
    connection.send(result)


def _with_layers_of(encoder: Encoder, terms: dict[str, LossTerm]) -> dict[str, LossTerm]:
    """Take layers that the encoder has, if its weights end before the layers of the loss."""
    needed = {layer for name in _LAYERS if name in terms for layer in terms[name].layers}
    if needed <= set(encoder.layers):
        return terms
    present = {
        name: [layer for layer in layers if layer in encoder.layers]
        for name, layers in _LAYERS.items()
        if name in terms
    }
    if not all(present.values()):
        return terms  # the loss refuses them and names the layers that there are
    return {
        name: term.with_layers(present[name]) if name in present else term
        for name, term in terms.items()
    }
