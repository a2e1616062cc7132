"""Rendezvous of the ranks of a run that torchrun may have restarted."""

import os
import socket
import time
import uuid
from datetime import timedelta

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
    and tells each other rank, in answer to a random word that only a living process can know.

    Args:
        launch: Rank and world size, as set by the launcher; only torchrun needs this.
    """
    shared = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    if launch.launcher != "torchrun" or launch.world_size == 1 or not shared:
        return
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = TCPStore(address, port, is_master=False, timeout=_PATIENCE)
    invited = launch.rank != 0
    own = _arrive(store, launch.rank) if invited else _invite(store, launch.world_size)
    os.environ["MASTER_PORT"] = own
    os.environ["TORCHELASTIC_USE_AGENT_STORE"] = "False"


def _invite(store: TCPStore, world: int) -> str:
    """Answer the ranks that knock until all of them have the answer, and return the port."""
    with socket.socket() as free:
        free.bind(("", 0))
        port = str(free.getsockname()[1])
    meeting = uuid.uuid4().hex
    missing = set(range(1, world))
    while missing:
        for rank in sorted(missing):
            if store.check([f"stylenet/knock/{rank}"]):
                word = store.get(f"stylenet/knock/{rank}").decode()
                store.set(f"stylenet/answer/{word}", f"{meeting} {port}")
            if store.check([f"stylenet/coming/{meeting}/{rank}"]):
                missing.remove(rank)
        time.sleep(_PAUSE)
    return port


def _arrive(store: TCPStore, rank: int) -> str:
    """Knock with a random word, wait for the answer to it, and return the port."""
    word = uuid.uuid4().hex
    store.set(f"stylenet/knock/{rank}", word)
    meeting, port = store.get(f"stylenet/answer/{word}").decode().split()
    store.set(f"stylenet/coming/{meeting}/{rank}", "yes")
    return port
