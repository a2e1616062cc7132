"""Rendezvous of the ranks of a run that torchrun may have restarted, and their parting."""

import os
import socket
import time
import uuid
from datetime import timedelta

import torch.distributed as dist
from torch.distributed import TCPStore

from stylenet.ranks import Launch

# Seconds between two checks of rank 0 for ranks that have arrived.
_PAUSE = 0.05
# Ranks start within seconds of each other; a busy file system may make it minutes.
_PATIENCE = timedelta(minutes=30)


def renew_rendezvous(launch: Launch) -> None:
    """Agree on a port that no process of an earlier attempt has used.

    torchrun's own store outlives its processes. After a restart a rank may find the addresses of
    its dead predecessors there (PyTorch issue 135712; seen with 2.15: in most restarts across
    machines with gloo, in some on one machine), and never connect. Here rank 0 chooses a new port
    and sends it to each other rank in reply to a random token, which only a running process knows.

    Args:
        launch: Rank and world size, as set by the launcher; only torchrun needs this.
    """
    shared = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    if launch.launcher != "torchrun" or launch.world_size == 1 or not shared:
        return
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = TCPStore(address, port, is_master=False, timeout=_PATIENCE)
    is_first = launch.rank == 0
    new_port = _invite(store, launch.world_size) if is_first else _arrive(store, launch.rank)
    os.environ["MASTER_PORT"] = new_port
    os.environ["TORCHELASTIC_USE_AGENT_STORE"] = "False"


def leave_process_group() -> None:
    """End the threads of the process group of a finished training, if it has one.

    Lightning leaves that to the end of the process. There a thread of gloo may still release the
    tensors of the last collective, for which it needs the interpreter: the process then aborts
    ("terminate called without an active exception"; seen with PyTorch 2.14 on busy processors),
    and torchrun takes a finished training for a failed one.
    """
    if dist.is_initialized():
        dist.destroy_process_group()


def _invite(store: TCPStore, world_size: int) -> str:
    """Send a new port to all other ranks, and return it."""
    with socket.socket() as listener:
        listener.bind(("", 0))  # the system chooses a free port
        port = str(listener.getsockname()[1])
    meeting = uuid.uuid4().hex
    missing = set(range(1, world_size))
    while missing:
        for rank in sorted(missing):
            if store.check([f"stylenet/knock/{rank}"]):
                token = store.get(f"stylenet/knock/{rank}").decode()
                store.set(f"stylenet/answer/{token}", f"{meeting} {port}")
            if store.check([f"stylenet/coming/{meeting}/{rank}"]):
                missing.remove(rank)
        time.sleep(_PAUSE)
    return port


def _arrive(store: TCPStore, rank: int) -> str:
    """Send a random token to rank 0, and return the port that it answers with."""
    token = uuid.uuid4().hex
    store.set(f"stylenet/knock/{rank}", token)
    meeting, port = store.get(f"stylenet/answer/{token}").decode().split()
    store.set(f"stylenet/coming/{meeting}/{rank}", "yes")
    return port
