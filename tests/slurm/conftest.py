"""A real Slurm with one node for the tests, separate from any other on the machine."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import filelock
import pytest

ROOT = Path(__file__).parents[2]

CONFIG = """
ClusterName=stylenet-tests
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
StateSaveLocation={folder}/controller
SlurmdSpoolDir={folder}/node
SlurmctldPidFile={folder}/controller.pid
SlurmdPidFile={folder}/node.pid
SlurmctldLogFile={folder}/controller.log
SlurmdLogFile={folder}/node.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
JobRequeue=1
KillWait=30
NodeName=localhost NodeAddr=127.0.0.1 NodeHostname={host} CPUs={cpus} State=UNKNOWN
PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def answers(*command):
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def start_munge():
    """Start munge, with which Slurm's programs authenticate each other, unless it runs."""
    with filelock.FileLock(
        Path(tempfile.gettempdir()) / "stylenet-munge.lock"
    ):  # one of all workers
        if answers("munge", "-n"):
            return
        folder = Path("/run/munge")
        folder.mkdir(exist_ok=True)
        shutil.chown(folder, "munge")
        program = shutil.which("munged")
        subprocess.run(["runuser", "-u", "munge", "--", program, "--force"], check=True)
        for _ in range(100):
            if answers("munge", "-n"):
                return
            time.sleep(0.1)


class Slurm:
    """The commands of the test cluster."""

    def __init__(self, folder):
        self.folder = folder
        self.environment = {
            **os.environ,
            "SLURM_CONF": str(folder / "slurm.conf"),
            "STYLENET_PYTHON": sys.executable,
            "OMP_NUM_THREADS": "1",
        }

    def __call__(self, *command):
        """Run a Slurm command and return its output."""
        done = subprocess.run(
            list(map(str, command)),
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def submit(self, *command):
        """Submit a job and return its id."""
        output = f"--output={self.folder}/job-%j.out"
        return self("sbatch", "--parsable", output, *command)

    def printed(self, job):
        path = self.folder / f"job-{job}.out"
        return path.read_text() if path.exists() else ""

    def states(self, job, output_format):
        """Return the different states of a job and its tasks."""
        return set(
            self(
                "squeue", "--noheader", f"--format={output_format}", "--states=all", f"--jobs={job}"
            ).split()
        )

    def wait(self, job, until=None, seconds=180):
        """Wait until a job ends or ``until`` returns true."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if until is not None and until():
                return
            states = self.states(job, "%T")
            if until is None and states and states <= {"COMPLETED", "FAILED", "CANCELLED"}:
                assert states == {"COMPLETED"}, f"{states} {self.printed(job)}"
                return
            if self.states(job, "%T %r") == {"PENDING", "BeginTime"}:
                # Slurm delays a requeued job by two minutes, until the node has cleaned up after
                # the first run, which takes less here.
                time.sleep(5)
                self("scontrol", "update", f"JobId={job}", "StartTime=now")
            time.sleep(0.3)
        pytest.fail(f"job {job} took too long: {self.printed(job)}")


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    missing = [name for name in ("slurmctld", "slurmd", "munged") if not shutil.which(name)]
    if missing or os.geteuid() != 0:
        pytest.skip(f"a Slurm of one's own needs root and {', '.join(missing) or 'is there'}")
    folder = tmp_path_factory.mktemp("slurm")
    for name in ("controller", "node"):
        (folder / name).mkdir()
    values = {"folder": folder, "user": "root", "host": socket.gethostname().split(".")[0]}
    values |= {"controller_port": free_port(), "node_port": free_port(), "cpus": os.cpu_count()}
    (folder / "slurm.conf").write_text(CONFIG.format(**values))
    start_munge()
    slurm = Slurm(folder)
    daemons = [["slurmctld", "-D"], ["slurmd", "-D", "-N", "localhost"]]
    started = [
        subprocess.Popen(
            [*command, "-f", folder / "slurm.conf"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=slurm.environment,
        )
        for command in daemons
    ]
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        reply = subprocess.run(
            ["sinfo", "--noheader", "--format=%T"], env=slurm.environment, capture_output=True
        )
        if reply.stdout.strip() == b"idle":
            break
        time.sleep(0.3)
    else:
        logs = "".join((folder / f"{name}.log").read_text() for name in ("controller", "node"))
        pytest.fail(f"Slurm did not start: {logs[-2000:]}")
    yield slurm
    subprocess.run(["scancel", "--user=root"], env=slurm.environment, check=False)
    for daemon in reversed(started):
        daemon.terminate()
        daemon.wait(30)
