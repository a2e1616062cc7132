"""Meeting anew after torchrun has restarted a run's processes."""

import os
import socket
import time
import uuid
from datetime import timedelta

from torch.distributed import TCPStore

from stylenet.ranks import Launch

# Between two looks of the first process at who has arrived.
_PAUSE = 0.05
# Processes start within seconds of each other; a busy file system may make it minutes.
_PATIENCE = timedelta(minutes=30)


def renew_rendezvous(launch: Launch) -> None:
    """Agrees on a meeting place that no process of an earlier attempt has been to.

    torchrun's own store outlives its processes. After a restart a process may find there the
    addresses that its dead predecessors left (PyTorch issue 135712; seen with 2.15: in most
    restarts across machines with gloo, in some on one machine), and never meet the others. Here the
    first process opens a store of its own, and tells each of the others where: in answer to a word
    that only a living process can know.

    Args:
        launch: Rank and world size; nothing happens unless torchrun set them.
    """
    shared = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    if launch.launcher != "torchrun" or launch.world_size == 1 or not shared:
        return
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = TCPStore(address, port, is_master=False, timeout=_PATIENCE)
    place = _invite(store, launch.world_size) if launch.rank == 0 else _arrive(store, launch.rank)
    os.environ["MASTER_PORT"] = place
    os.environ["TORCHELASTIC_USE_AGENT_STORE"] = "False"


def _invite(store: TCPStore, world: int) -> str:
    """Answers whoever knocks, until all living ones have their answer."""
    with socket.socket() as free:
        free.bind(("", 0))
        place = str(free.getsockname()[1])
    meeting = uuid.uuid4().hex
    missing = set(range(1, world))
    while missing:
        for rank in sorted(missing):
            if store.check([f"stylenet/knock/{rank}"]):
                word = store.get(f"stylenet/knock/{rank}").decode()
                store.set(f"stylenet/answer/{word}", f"{meeting} {place}")
            if store.check([f"stylenet/coming/{meeting}/{rank}"]):
                missing.remove(rank)
        time.sleep(_PAUSE)
    return place


def _arrive(store: TCPStore, rank: int) -> str:
    """Knocks with a word of its own and waits for the answer to it."""
    word = uuid.uuid4().hex
    store.set(f"stylenet/knock/{rank}", word)
    meeting, place = store.get(f"stylenet/answer/{word}").decode().split()
    store.set(f"stylenet/coming/{meeting}/{rank}", "yes")
    return place
