"""Train a tiny network in separate processes; ``test_processes.py`` runs this program.

It reads one list of jobs per line from its standard input, runs the jobs one after the other and
prints "done" or "failed". A job is a dict:

    folder   run directory
    world    number of processes (1)
    batch, steps, workers, every, accumulate     as in configs
    resume   true to resume from the newest checkpoint
    signal   [rank, step, number]: the process with that rank sends itself the signal at the step
    method   None, "dials", or one of "adain", "any_style", "adversarial" and "meta", which use the
             photos as style images
    kill     seconds until all processes of the job get SIGKILL
    seed     seed of the initial weights
    temporal weight of the temporal loss (0)

Each process is forked from one that has imported PyTorch but computed nothing: it starts at once,
and there are no PyTorch threads to lose in the fork.
"""

import json
import os
import signal
import socket
import sys
import time
import traceback
import warnings
from functools import partial
from pathlib import Path

import pytorch_lightning as pl
import torch
from torch import nn

from stylenet.data import PhotoData
from stylenet.methods.adversarial.loss import AdversarialOptions
from stylenet.methods.adversarial.module import AdversarialModule
from stylenet.methods.arbitrary_style.loss import ArbitraryStyleLoss
from stylenet.methods.arbitrary_style.module import ArbitraryStyleModule
from stylenet.methods.dials.loss import DialsLoss
from stylenet.methods.dials.module import DialsModule
from stylenet.methods.meta.module import MetaModule
from stylenet.networks import build_network
from stylenet.perceptual import (
    ChangingStyleLoss,
    ContentLoss,
    Encoder,
    PerceptualLoss,
    StyleLoss,
    TotalVariationLoss,
)
from stylenet.ranks import read_launch
from stylenet.training import CosineSchedule, OptimizerFactory, RunFolder, StyleTransferModule
from stylenet.training.callbacks import Checkpoints, SafeCheckpointIO, StopOnSignal
from stylenet.training.cluster import choose_environment
from stylenet.training.run_lock import RunLock
from stylenet.training.temporal import TemporalLoss


class Watch(pl.Callback):
    """Save the gradients of the first step and send a signal at another step."""

    def __init__(self, folder, rank, signal_at):
        self.folder, self.rank, self.signal_at = folder, rank, signal_at

    def on_before_optimizer_step(self, trainer, module, optimizer):
        if trainer.global_step == 0 and self.rank == 0:
            # With two optimizers, the second call finds the gradients of both.
            named = module.named_parameters()
            gradients = {k: p.grad.clone() for k, p in named if p.grad is not None}
            torch.save(gradients, self.folder / "gradients.pt")

    def on_train_batch_start(self, trainer, *args):
        if self.signal_at and self.signal_at[:2] == [self.rank, trainer.global_step]:
            os.kill(os.getpid(), self.signal_at[2])


def make_module(seed, method, steps):
    torch.manual_seed(7)
    layers = {
        "conv1_1": nn.Conv2d(3, 8, 3, padding=1),
        "relu1_1": nn.ReLU(),
        "conv1_2": nn.Conv2d(8, 8, 3, padding=1),
        "relu1_2": nn.ReLU(),
    }
    encoder = Encoder("tiny", "random", layers).double()
    terms = {
        "content": ContentLoss(["relu1_2"]),
        "style": StyleLoss(["relu1_1"], weight=5.0),
        "tv": TotalVariationLoss(),
    }
    optimizer = OptimizerFactory(
        partial(torch.optim.Adam, lr=1e-2), partial(CosineSchedule, warmup_steps=2, max_steps=steps)
    )
    style = torch.rand(1, 3, 32, 32, dtype=torch.float64)
    if method in ("adain", "any_style"):
        if method == "adain":
            network = build_network("adain", layer="relu2_1", width=2).double()
        else:
            sizes = {"width": 2, "deep_width": 2, "deep_blocks": 1, "fine_blocks": 1, "hidden": 4}
            network = build_network("any_style", **sizes, kernels=2).double()
        network.encoder.load_weights(network.encoder.convolutions.state_dict())
        return ArbitraryStyleModule(
            network, ArbitraryStyleLoss(encoder, terms), optimizer, {}, style
        )
    torch.manual_seed(seed)
    if method == "meta":
        network = build_network("johnson", width=2, blocks=1).double()
        sgd = OptimizerFactory(
            partial(torch.optim.SGD, lr=0.5, momentum=0.5),
            partial(CosineSchedule, max_steps=steps),
        )
        return MetaModule(network, ChangingStyleLoss(encoder, terms), sgd, {}, 2, 1e-2, 1.0)
    if method == "dials":
        network = build_network("johnson_dials", width=2, blocks=1).double()
        strokes = [PerceptualLoss(encoder, terms, [style[..., :side]]) for side in (16, 24, 32)]
        return DialsModule(network, DialsLoss(strokes, 4.0), optimizer, "test", {})
    parts = (
        # Lightning converts to float64 only after it has loaded the weights of a checkpoint.
        build_network("johnson", width=2, blocks=1).double(),
        PerceptualLoss(encoder, terms, [style]),
        optimizer,
        "test",
        {},
    )
    if method is None:
        return StyleTransferModule(*parts)
    more = {"style_folder": "photos", "discriminator_width": 2, "discriminator_layers": 1}
    module = AdversarialModule(*parts, AdversarialOptions(**more), gradient_clip_val=1.0)
    module.discriminator.double()
    return module


def train(job, photos, rank):
    folder = RunFolder(job["folder"])
    world = job.get("world", 1)
    trainer = pl.Trainer(
        max_steps=job["steps"],
        accumulate_grad_batches=job.get("accumulate", 1),
        accelerator="cpu",
        devices=world,
        strategy="ddp" if world > 1 else "auto",
        precision="64-true",
        default_root_dir=folder.path,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        callbacks=[
            Watch(folder.path, rank, job.get("signal")),
            Checkpoints(job.get("every", 4), keep=2),
            StopOnSignal(),
        ],
        plugins=[SafeCheckpointIO(), choose_environment(read_launch())],
    )
    data = PhotoData(
        photos,
        16,
        job.get("batch", 2),
        min_size=8,
        workers=job.get("workers", 0),
        seed=3,
        styles=photos if job.get("method") not in (None, "dials") else None,
        style_options={"batch_size": 1} if job.get("method") == "meta" else None,
    )
    data.setup()

    def fit():
        saved = folder.saved_checkpoints() if job.get("resume") else []
        module = make_module(job.get("seed", 0), job.get("method"), job["steps"])
        if "temporal" in job:
            module.temporal = TemporalLoss(job["temporal"])
        trainer.fit(module, data, ckpt_path=saved[-1] if saved else None)
        if job.get("method") in ("adversarial", "meta"):
            torch.save(module.state_dict(), folder.path / f"weights_{rank}.pt")

    if rank > 0:
        fit()
        return
    with RunLock(folder):
        fit()
    (folder.path / "last_step").write_text(str(trainer.global_step))


def child(job, photos, rank, port):
    """Run a job in a forked process and exit."""
    status = 1
    try:
        torch.set_num_threads(1)
        warnings.simplefilter("ignore")
        world = str(job.get("world", 1))
        if world != "1":
            os.environ |= {
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "WORLD_SIZE": world,
                "LOCAL_WORLD_SIZE": world,
                "GROUP_WORLD_SIZE": "1",
                "GROUP_RANK": "0",
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
                "TORCHELASTIC_RUN_ID": "test",
            }
        train(job, photos, rank)
        status = 0
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    finally:
        sys.stderr.flush()
        os._exit(status)


def do(job, photos):
    """Run a job and check the exit statuses of its processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    Path(job["folder"]).mkdir(parents=True, exist_ok=True)
    processes = []
    for rank in range(job.get("world", 1)):
        process = os.fork()
        if process == 0:
            child(job, photos, rank, port)
        processes.append(process)
    if "kill" in job:
        time.sleep(job["kill"])
        for process in processes:
            os.kill(process, signal.SIGKILL)
    statuses = [os.waitpid(process, 0)[1] for process in processes]
    assert not any(statuses) or "kill" in job, statuses


if __name__ == "__main__":
    for line in iter(sys.stdin.readline, ""):
        try:
            for job in json.loads(line):
                do(job, sys.argv[1])
            print("done", flush=True)
        except Exception:
            traceback.print_exc()
            print("failed", flush=True)
