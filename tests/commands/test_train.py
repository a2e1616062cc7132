import importlib
import os
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from stylenet.checkpoint import load_checkpoint
from stylenet.training import RunFolder
from stylenet.training.callbacks import Guard

from .conftest import ROOT, blotches


def steps_saved(run_dir):
    return [int(path.stem.removeprefix("step_")) for path in sorted(run_dir.glob("*/step_*.ckpt"))]


def test_a_run_directory_is_complete_and_the_output_explains_how_to_stylize(
    script, run, tiny, tmp_path, monkeypatch
):
    result = script("train", *tiny, "callbacks.previews.every_n_steps=2")
    assert result.status == 0, result.err
    run_dir = tmp_path / "run"
    assert yaml.safe_load((run_dir / "config.yaml").read_text())["network"]["width"] == 2
    assert sorted(p.name for p in (run_dir / "previews").iterdir()) == [
        "step_0000002.png",
        "step_0000003.png",
    ]
    assert steps_saved(run_dir) == [3]
    assert load_checkpoint(run_dir)[1].step == 3

    events = EventAccumulator(str(run_dir / "tensorboard")).Reload()
    assert events.Tags()["images"] == ["preview"]

    assert f"network: {run_dir / 'starry.safetensors'}" in result.out
    stylize = result.out.splitlines()[-1].removeprefix("stylize: ")
    program, path, *arguments = shlex.split(stylize)
    assert (program, path) == ("python", "scripts/infer.py")
    photo = blotches(tmp_path / "photo.jpg", 33, 21)
    # The printed command itself, from the folder with the photo.
    monkeypatch.chdir(tmp_path)
    done = run("infer", *arguments)
    assert done.status == 0, done.err
    assert Image.open(tmp_path / done.out.strip()).size == Image.open(photo).size


def test_losses_learning_rate_and_speed_are_logged_by_name(run, tiny, tmp_path):
    logs = ["trainer.log_every_n_steps=1", "callbacks.throughput.every_n_steps=1"]
    assert run("train", *tiny, *logs).status == 0
    scalars = EventAccumulator(str(tmp_path / "run/tensorboard")).Reload().Tags()["scalars"]
    assert {
        "loss/total",
        "loss/content",
        "loss/content/relu1_2",
        "loss/style",
        "loss/style/relu1_1",
        "loss/style/relu1_2",
        "loss/tv",
        "images_per_second",
        "lr-Adam",
    } <= set(scalars)


def test_resume_continues_from_the_newest_checkpoint(run, tiny, tmp_path):
    run("train", *tiny)
    result = run("train", *tiny, "trainer.max_steps=5", "resume=true")
    assert result.status == 0, result.err
    assert "from " in result.out.splitlines()[0]
    assert steps_saved(tmp_path / "run") == [3, 5]

    run("train", *tiny, "trainer.max_steps=5", f"run_dir={tmp_path / 'uninterrupted'}")
    uninterrupted, _ = load_checkpoint(tmp_path / "uninterrupted")
    resumed, _ = load_checkpoint(tmp_path / "run")
    for name, value in uninterrupted.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_resume_starts_a_new_run_and_does_nothing_for_a_finished_one(run, tiny, tmp_path):
    assert run("train", *tiny, "resume=true").status == 0
    before = (tmp_path / "run/starry.safetensors").read_bytes()
    again = run("train", *tiny, "resume=true")
    assert again.status == 0
    assert "step 3" in again.out
    assert (tmp_path / "run/starry.safetensors").read_bytes() == before


def test_a_run_does_not_resume_with_another_style(run, tiny, tmp_path):
    assert run("train", *tiny).status == 0
    before = (tmp_path / "run/config.yaml").read_text()
    more = ["style=mosaic", "resume=true", "trainer.max_steps=5"]
    error = run("train", *tiny, *more).error
    assert "(name=starry) than this run's (name=mosaic)" in error
    assert (tmp_path / "run/config.yaml").read_text() == before
    assert steps_saved(tmp_path / "run") == [3]


def test_a_run_that_resumes_with_other_options_names_them(run, tiny, tmp_path):
    assert run("train", *tiny).status == 0
    more = [*tiny, "resume=true", "trainer.max_steps=4"]
    assert "other options" not in run("train", *more, "data.workers=1", "seed=0").err
    given = [o for o in more if not o.startswith("data.root")]
    for name in ("photos", "others"):
        blotches(tmp_path / name / "a.jpg")
    changed = ["trainer.max_steps=5", f"data.root={tmp_path / 'others'}", "loss.style.weight=7"]
    result = run("train", *given, *changed)
    assert result.status == 0, result.err
    (line,) = [line for line in result.err.splitlines() if "other options" in line]
    assert line.startswith("warning: this run goes on")
    assert f"data.root={tmp_path / 'others'} (was {tmp_path / 'photos'})" in line
    assert "loss.style.weight=7 (was 15" in line
    for steps, damaged in ((6, "{"), (7, "seed: ${nowhere}"), (8, "- 1")):  # no warning, no error
        (tmp_path / "run" / "config.yaml").write_text(damaged)
        assert run("train", *given, *changed, f"trainer.max_steps={steps}").status == 0


def test_a_run_of_an_earlier_version_resumes_without_a_warning(run, tiny, tmp_path):
    assert run("train", *tiny, "schedule=cosine", "schedule.warmup_steps=1").status == 0
    file = tmp_path / "run/config.yaml"
    saved = yaml.safe_load(file.read_text())
    saved["optimizer"] = {
        "_target_": "stylenet.training.OptimizerOptions",
        **{"lr": 1e-3, "warmup_steps": 1, "decay": "cosine"},
    }
    saved["style"]["_target_"] = "stylenet.data.StyleSettings"
    del saved["schedule"], saved["logger"], saved["training_method"]
    file.write_text(yaml.safe_dump(saved))
    more = [*tiny, "resume=true", "trainer.max_steps=4", "schedule=cosine"]
    result = run("train", *more, "schedule.warmup_steps=1")
    assert (result.status, "other options" in result.err) == (0, False), result.err


def test_another_logger_and_optimizer_can_be_chosen(run, tiny, tmp_path):
    chosen = ["logger=csv", "optimizer=adamw", "trainer.log_every_n_steps=1"]
    result = run("train", *tiny, *chosen)
    assert result.status == 0, result.err
    table = (tmp_path / "run/csv/version_0/metrics.csv").read_text().splitlines()
    assert {"loss/total", "lr-AdamW"} <= set(table[0].split(","))
    assert "max_steps: 3" in (tmp_path / "run/csv/version_0/hparams.yaml").read_text()
    assert not (tmp_path / "run/tensorboard").exists()
    resumed = run("train", *tiny, *chosen, "resume=true", "trainer.max_steps=4")
    assert resumed.status == 0, resumed.err
    assert (tmp_path / "run/csv/version_0/metrics.csv").read_text().splitlines() == table
    other = run("train", *tiny, "logger=csv", "resume=true", "trainer.max_steps=5")
    assert "optimizer AdamW, but this run uses Adam" in other.error


@pytest.mark.parametrize("package", ["wandb", "mlflow"])
def test_a_tracker_gets_losses_previews_and_options(run, tiny, tmp_path, monkeypatch, package):
    pytest.importorskip(package)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.chdir(tmp_path)
    result = run(
        *("train", *tiny, f"logger={package}", "trainer.log_every_n_steps=1"),
        "callbacks.previews.every_n_steps=2",
    )
    assert result.status == 0, result.err
    assert list(tmp_path.rglob("*preview*/*.png" if package == "mlflow" else "media/images/*.png"))
    if package == "mlflow":
        client = importlib.import_module("mlflow").MlflowClient()
        (record,) = client.search_runs([client.get_experiment_by_name("stylenet").experiment_id])
        assert record.data.metrics["loss/total"] > 0
        assert record.data.params["trainer/max_steps"] == "3"
    else:
        (record,) = tmp_path.rglob("run-*.wandb")
        assert b"loss/total" in record.read_bytes()
        # A sweep trains several runs in one process.
        assert importlib.import_module("wandb").run is None


def test_training_can_start_from_a_trained_network(run, tiny, tmp_path):
    assert run("train", *tiny).status == 0
    first = tmp_path / "run"
    second = run("train", *tiny, f"init={first}", f"run_dir={tmp_path}/second", "optimizer.lr=1e-9")
    assert second.status == 0, second.err
    before, after = (
        load_checkpoint(folder)[0].state_dict() for folder in (first, tmp_path / "second")
    )
    assert all(torch.allclose(before[key], after[key], atol=1e-6) for key in before)


def test_a_network_takes_its_size_from_the_one_that_it_starts_from(run, tiny, tmp_path):
    assert run("train", *tiny).status == 0
    unsized = [option for option in tiny if not option.startswith("network.")]
    second = run("train", *unsized, f"init={tmp_path}/run", f"run_dir={tmp_path}/second")
    assert second.status == 0, second.err
    first, second = (load_checkpoint(tmp_path / name)[0] for name in ("run", "second"))
    assert first.arguments == second.arguments
    assert yaml.safe_load((tmp_path / "second/config.yaml").read_text())["network"]["width"] == 2


def test_training_cannot_start_from_a_different_architecture(run, tiny, tmp_path):
    assert run("train", *tiny).status == 0
    error = run(
        "train", *tiny, f"init={tmp_path}/run", f"run_dir={tmp_path}/2", "network.blocks=2"
    ).error
    assert "'blocks': 2" in error
    assert not (tmp_path / "2").exists()


def test_a_style_may_have_its_own_layers_and_weight(run, tiny, tmp_path):
    result = run(
        "train", *tiny, "style.layers=[relu1_1]", "style.weight=2", "trainer.log_every_n_steps=1"
    )
    assert result.status == 0, result.err
    scalars = EventAccumulator(str(tmp_path / "run/tensorboard")).Reload()
    assert "loss/style/relu1_1" in scalars.Tags()["scalars"]
    assert "loss/style/relu1_2" not in scalars.Tags()["scalars"]
    first = {name: scalars.Scalars(f"loss/{name}")[0].value for name in ("total", "style", "tv")}
    content = scalars.Scalars("loss/content")[0].value
    # The weights of loss/relative.yaml.
    expected = content + 2 * 15 * first["style"] + 5 * first["tv"]
    assert first["total"] == pytest.approx(expected, rel=1e-4)


def test_an_existing_run_is_not_overwritten(run, tiny, tmp_path):
    run("train", *tiny)
    before = (tmp_path / "run/starry.safetensors").read_bytes()
    assert "resume=true" in run("train", *tiny, "seed=1").error
    assert (tmp_path / "run/starry.safetensors").read_bytes() == before


def test_a_run_directory_whose_name_is_not_utf_8_is_refused(run, tiny, tmp_path):
    name = os.fsdecode(b"run\xfc")  # Latin-1
    assert (
        "is not UTF-8, which TensorBoard needs"
        in run("train", *tiny, f"run_dir={tmp_path}/{name}").error
    )
    assert not (tmp_path / name).exists()


def test_an_unreadable_checkpoint_is_skipped_for_the_one_before(run, tiny, tmp_path):
    undisturbed = [*tiny, "trainer.max_steps=6", f"run_dir={tmp_path}/uninterrupted"]
    assert run("train", *undisturbed).status == 0
    assert run("train", *tiny, "callbacks.checkpoints.every_n_steps=1").status == 0
    folder = RunFolder(tmp_path / "run")
    folder.checkpoint(3).write_bytes(folder.checkpoint(3).read_bytes()[:1000])
    result = run("train", *tiny, "resume=true", "trainer.max_steps=6")
    assert result.status == 0, result.err
    assert "step_0000003.ckpt cannot be read" in result.err
    assert "going on from step_0000002.ckpt" in result.err
    uninterrupted, resumed = (
        load_checkpoint(tmp_path / name)[0].state_dict() for name in ("uninterrupted", "run")
    )
    assert all(torch.equal(value, resumed[name]) for name, value in uninterrupted.items())

    for step in folder.saved_checkpoints():
        step.write_bytes(b"")
    error = run("train", *tiny, "resume=true", "trainer.max_steps=9").error
    assert "step_0000006.ckpt cannot be read" in error


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_process_group_saves_and_the_run_resumes(run, tiny, tmp_path, sent):
    endless = [*tiny, "data.workers=1", "trainer.max_steps=1000000"]
    process = subprocess.Popen(
        [sys.executable, "scripts/train.py", *endless, "callbacks.checkpoints.every_n_steps=5"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not steps_saved(tmp_path / "run") and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(process.pid, sent)  # as terminals and schedulers do; it reaches the data workers too
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + sent, err
    assert "resume=true" in out
    assert "Traceback" not in err
    last = steps_saved(tmp_path / "run")[-1]
    result = run("train", *tiny, f"trainer.max_steps={last + 1}", "resume=true")
    assert result.status == 0, result.err
    assert steps_saved(tmp_path / "run")[-1] == last + 1


@pytest.mark.parametrize("resume", [True, False])
def test_a_slurm_job_is_requeued_if_it_would_resume(run, tiny, tmp_path, monkeypatch, resume):
    asked = tmp_path / "asked"
    (tmp_path / "scontrol").write_text(f'#!/bin/sh\necho "$@" >> {asked}\n')
    (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("SLURM_JOB_ID", "12")

    def ask_to_stop(*_):
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Guard, "on_train_batch_end", ask_to_stop)
    result = run("train", *tiny, f"resume={resume}")
    assert result.status == 128 + signal.SIGTERM
    assert ("job 12 is requeued" in result.out) == resume
    assert ("the same command and resume=true" in result.out) != resume
    assert (asked.exists() and "requeue 12" in asked.read_text()) == resume


@pytest.mark.parametrize(
    ("folder_name", "again"),
    [
        ("run", "the same"),
        ("elsewhere", "true"),
        pytest.param("run", "true", marks=pytest.mark.slow),
        pytest.param("elsewhere", "the same", marks=pytest.mark.slow),
    ],
)
def test_a_run_interrupted_after_an_older_checkpoint_resumes_from_its_own(
    run, tiny, tmp_path, monkeypatch, folder_name, again
):
    often = ["callbacks.checkpoints.every_n_steps=1", "trainer.max_steps=6"]
    uninterrupted = [*tiny, *often, "callbacks.checkpoints.keep=null"]
    assert run("train", *uninterrupted).status == 0
    old = RunFolder(tmp_path / "run")
    abandoned = {path.name: path.read_bytes() for path in old.saved_checkpoints()}
    (tmp_path / "elsewhere").mkdir()
    shutil.copy(old.checkpoint(2), tmp_path / "elsewhere")
    slower = [*tiny, *often, "optimizer.lr=1e-5"]
    elsewhere = tmp_path / "elsewhere/step_0000002.ckpt"
    assert (
        run("train", *slower, f"resume={elsewhere}", f"run_dir={tmp_path}/uninterrupted").status
        == 0
    )

    def ask_to_stop(self, trainer, *_):
        if trainer.global_step == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    resume = f"resume={old.checkpoint(2) if folder_name == 'run' else elsewhere}"
    with monkeypatch.context() as during:
        during.setattr(Guard, "on_train_batch_end", ask_to_stop)
        assert run("train", *slower, resume).status == 128 + signal.SIGTERM
    assert steps_saved(tmp_path / "run") == [3, 4]
    result = run("train", *slower, resume if again == "the same" else "resume=true")
    assert result.status == 0, result.err
    assert f"from {old.checkpoint(4)}" in result.out
    networks = [
        load_checkpoint(tmp_path / name)[0].state_dict() for name in ("uninterrupted", "run")
    ]
    assert all(torch.equal(value, networks[1][name]) for name, value in networks[0].items())
    assert (old.checkpoints / "abandoned_1" / "starry.safetensors").is_file()
    aside = {path.name: path for path in old.checkpoints.glob("abandoned_1/*.ckpt")}
    assert len(aside) == (4 if folder_name == "run" else 6)
    assert all(path.read_bytes() == abandoned[name] for name, path in aside.items())


def test_a_run_stopped_before_its_first_checkpoint_resumes_from_the_named_one(run, tiny, tmp_path):
    assert run("train", *tiny).status == 0
    named, second = RunFolder(tmp_path / "run").checkpoint(3), RunFolder(tmp_path / "second")
    second.branch_off(named)
    more = ["trainer.max_steps=5", "resume=true", f"run_dir={second.path}"]
    result = run("train", *tiny, *more)
    assert result.status == 0, result.err
    assert f"from {named}" in result.out
    assert steps_saved(second.path) == [5]

    third = RunFolder(tmp_path / "third")
    third.branch_off(named)
    assert run("train", *tiny, f"run_dir={third.path}").status == 0  # starts anew
    assert third.origin() is None


def test_a_run_out_of_time_explains_how_to_resume_and_resumes(run, tiny, tmp_path):
    timed = [*tiny, "+trainer.max_time=00:00:00:01"]
    stopped = run("train", *timed, "trainer.max_steps=1000000")
    assert stopped.status == 0, stopped.err
    last = steps_saved(tmp_path / "run")[-1]
    assert stopped.out.splitlines()[-2:] == [
        f"stopped and saved at step {last}",
        "go on with the same command and resume=true",
    ]
    result = run("train", *timed, f"trainer.max_steps={last + 1}", "resume=true")
    assert result.status == 0, result.err
    assert load_checkpoint(tmp_path / "run/starry.safetensors")[1].step == last + 1


@pytest.mark.parametrize(("short", "full"), [("32", "32-true"), ("bf16", "bf16-mixed")])
def test_a_precision_may_be_abbreviated(run, tiny, short, full):
    result = run("train", *tiny, f"trainer.precision={short}", "trainer.max_steps=1")
    assert result.status == 0, result.err
    assert f"({full} on cpu)" in result.out


def test_a_failed_preview_does_not_prevent_the_checkpoint(run, tiny, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/previews").touch()  # where the folder would be
    often = [f"callbacks.{name}.every_n_steps=2" for name in ("previews", "checkpoints")]
    assert "cannot write" in run("train", *tiny, *often).error
    assert steps_saved(tmp_path / "run") == [2]


@pytest.mark.slow
def test_a_full_disk_ends_in_one_line_and_leaves_no_partial_file(script, tiny, tmp_path):
    def no_large_files():
        # Files end at 8 KB, as on a full disk; Python ignores the signal that comes
        # with it and gets the error.
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))

    result = script("train", *tiny, preexec_fn=no_large_files)
    assert "cannot write" in result.error
    left = [p for p in (tmp_path / "run").rglob("*") if p.is_file() and "tfevents" not in p.name]
    assert not [p for p in left if p.suffix in (".ckpt", ".safetensors")]
    assert [p.name for p in left if p.name[0] == "."] == [".lock"]


def test_a_bad_file_is_named_once_and_counted(run, tiny, photos):
    (photos / "broken.jpg").write_bytes(b"")
    result = run("train", *tiny, "trainer.max_steps=8")
    assert result.status == 0, result.err
    assert "1 unusable files were skipped" in result.out


def test_mostly_bad_files_end_the_run(run, tiny, photos):
    for i in range(20):
        (photos / f"broken{i}.jpg").write_bytes(b"not a photo")
    result = run("train", *tiny, "trainer.max_steps=100", "resume=true")
    assert "unusable" in result.error
    assert "check_data.py" in result.error


def test_a_sweep_trains_two_styles_one_after_the_other(run, tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # Hydra leaves its list of jobs there
    rest = [o for o in tiny if not o.startswith("run_dir")]
    run_dir = f"run_dir={tmp_path}/${{style.name}}"
    result = run("train", "--multirun", "style=starry,woodblock", *rest, run_dir)
    assert result.status == 0, result.err
    assert (tmp_path / "starry/starry.safetensors").is_file()
    assert (tmp_path / "woodblock/woodblock.safetensors").is_file()


def test_a_folder_in_coco_layout_is_trained_on(run, tiny, shared):
    coco = [o for o in tiny if not o.startswith("data")]
    result = run(
        "train",
        *coco,
        "data=coco",
        f"data.root={shared / 'data/coco'}",
        "data.crop_size=32",
        "data.workers=0",
        "trainer.max_steps=1",
    )
    assert result.status == 0, result.err
    assert "98 photos" in result.out


MISTAKES = [
    ("style=stary", "starry starry_night"),
    ("style.image=nowhere.jpg", "nowhere.jpg: no such file"),
    ("style.image=[]", "style.image"),
    ("style.image='[a'", "style.image"),
    ("style.size=0", "style.size=0"),
    ("style.size=-3", "style.size=-3"),
    ("style.name=a/b", "style.name"),
    ("style.weight=zero", "style.weight=zero"),
    ("style.layers=[relu8_8]", "relu1_1"),
    ("style.layers=[]", "style.layers=[] is empty"),
    ("run_dir=null", "run_dir is null"),
    ("seed=5000000000", "seed=5000000000 is not a whole number of at least 0 and at most"),
    ("trainer.max_stps=3", "did you mean trainer.max_steps"),
    ("encodr=vgg19", "did you mean encoder"),
    ("network=jonson", "johnson"),
    ("network.width=0", "network.width=0"),
    ("network.norm=layer", "instance, batch"),
    ("data.crop_size=0", "data.crop_size=0"),
    ("data.crop_size=-1", "data.crop_size=-1"),
    ("data.batch_size=0", "data.batch_size=0"),
    ("data.root=nowhere", "nowhere: no such folder"),
    ("data.root=''", "data.root is empty"),
    ("loss.style.weight=abc", "loss.style.weight=abc"),
    ("loss.content.weight=-1", "loss.content.weight=-1"),
    ("loss.tv.weight=nan", "loss.tv.weight=nan"),
    ("loss.style.layers=[relu9_9]", "relu1_1"),
    ("loss.style.layers=[]", "loss.style.layers"),
    ("loss.style.layers=relu1_1", "loss.style.layers"),
    ("optimizer.lr=fast", "optimizer.lr=fast"),
    ("schedule=linear", "constant"),
    ("schedule.warmup_steps=-1", "schedule.warmup_steps=-1"),
    ("+optimizer.decay=none", "optimizer.decay=none is now schedule=constant"),
    ("+optimizer.speed=3", "unexpected keyword argument 'speed'"),
    ("optimizer.betas=[2,0.9]", "optimizer: Invalid beta parameter"),
    ("training_method=conditional", "styles=None is not a list"),
    ("training_method=arbitrary_style", "data.styles=FOLDER"),
    ("trainer.max_steps=0", "trainer.max_steps=0"),
    ("trainer.max_steps=many", "trainer.max_steps=many"),
    ("trainer.precision=8", "trainer.precision=8"),
    ("trainer.precision=bf16-true", "trainer.precision=bf16-true"),
    ("trainer.precision=64-true", "auto, 32-true, bf16-mixed, 16-mixed"),
    ("trainer.devices=none", "trainer.devices=none"),
    ("+trainer.speed=3", "speed"),
    ("encoder.weights=random", "encoder.allow_random=true"),
    ("encoder.weights=nowhere.pth", "nowhere.pth: no such file"),
    ("encoder.pooling=min", "max, average"),
    ("resume=nowhere.ckpt", "nowhere.ckpt: no such file"),
    ("resume=pyproject.toml", "pyproject.toml"),
    ("run_dir=/proc/nowhere", "/proc/nowhere"),
    ("run_dir=pyproject.toml/run", "pyproject.toml"),
    ("init=nowhere", "nowhere: no such file"),
    ("seed=-1", "seed=-1"),
    ("callbacks.previews.count=0", "callbacks.previews.count=0"),
]
if find_spec("wandb") is None:
    MISTAKES.append(("logger=wandb", "pip install -U 'wandb"))


@pytest.mark.parametrize(("mistake", "message"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_a_mistake_ends_in_one_line_and_leaves_no_files(
    run, tiny, tmp_path, monkeypatch, mistake, message
):
    monkeypatch.chdir(ROOT)
    assert message in run("train", *tiny, mistake).error
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_an_error(run, tiny):
    assert "trainer.accelerator=gpu" in run("train", *tiny, "trainer.accelerator=gpu").error


def test_coco_chosen_but_missing_is_an_error(run, tiny, tmp_path, monkeypatch):
    coco = [o for o in tiny if not o.startswith("data")]
    for way in ("data.root=" + str(tmp_path / "coco"), "data=coco"):
        monkeypatch.setenv("STYLENET_COCO", str(tmp_path / "coco"))
        error = run("train", *coco, way).error
        assert str(tmp_path / "coco") in error
        assert "data=folder" in error
        assert "STYLENET_COCO" in error


def test_an_unknown_option_lists_the_valid_ones(run, tiny):
    error = run("train", *tiny, "data.crop=3").error
    assert "crop_size, batch_size" in error


@pytest.mark.parametrize("name", ["train", "infer", "check_data"])
def test_help_explains_the_options_with_examples(run, name):
    result = run(name, "--help")
    assert result.status == 0
    assert f"python scripts/{name}.py" in result.out
    if name == "train":
        assert "starry, starry_night" in result.out
        assert "loss.style.weight" in result.out
    if name == "check_data":
        own = "Choices (GROUP=CHOICE):\n\ndata: coco, folder, samples, shards, videos\n\nOptions"
        assert own in result.out


@pytest.mark.slow
def test_an_installed_wheel_finds_its_configs_from_another_folder(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", ROOT, "--no-deps", "--no-build-isolation",
         "--quiet", "--wheel-dir", tmp_path],
        check=True,
    )  # fmt: skip
    wheel = next(Path(tmp_path).glob("*.whl"))
    # A wheel is a zip file laid out as it is installed.
    subprocess.run([sys.executable, "-m", "zipfile", "-e", wheel, tmp_path / "site"], check=True)
    done = subprocess.run(
        [sys.executable, "-c",
         "import stylenet, sys; print(stylenet.__file__, file=sys.stderr);"
         "from stylenet.cli.train import main; main()",
         "--cfg", "job", "--resolve", "style=woodblock"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=True,
    )  # fmt: skip
    assert str(tmp_path / "site") in done.stderr
    style = yaml.safe_load(done.stdout)["style"]
    assert style["name"] == "woodblock"
    assert Path(style["image"]) == tmp_path / "site/stylenet/styles/woodblock.jpg"
    assert Path(style["image"]).is_file()
