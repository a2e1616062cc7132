"""What the test of the documented commands changes, each with its reason.

Everything that is not listed here runs exactly as written.
"""

from typing import NamedTuple


class Replaced(NamedTuple):
    pattern: str
    replacement: str
    reason: str


class Appended(NamedTuple):
    pattern: str
    options: str
    reason: str


class Composed(NamedTuple):
    pattern: str
    reason: str


class Checked(NamedTuple):
    """A command that is not run; ``check`` names a function of test_commands.py."""

    pattern: str
    check: str
    reason: str


REPLACED = [
    Replaced(r"data=coco output=", "data=folder data.root=photos/ output=", "COCO has 18 GB"),
    Replaced(r"/scratch/coco/train2017|data/coco/train2017", "photos/", "COCO has 18 GB"),
    Replaced(r",…\]", "]", "the list goes on"),
    Replaced(r"teacher_network=runs/first", "teacher_network=starry", "it is not distributed"),
    Replaced(r"passes='\[512,2048,full\]'", "passes=[16,32,full]", "minutes"),
    Replaced(r"/scratch/shards", "shards/", "a path of a cluster"),
    Replaced(r"^srun .*?(?=stylenet )", "", "needs Slurm; tests/slurm/ starts one"),
    Replaced(
        r"^torchrun --nproc-per-node=2 (?=scripts/infer.py)",
        "python ",
        "two processes; tests/commands/test_several_devices.py starts them",
    ),
    Replaced(r"repository=user/mine", "output=files/", "an account; tests/commands/test_push.py"),
    Replaced(
        r"checkpoint=hf://user/mine",
        "checkpoint=runs/mine",
        "a download; tests/commands/test_push.py has a server",
    ),
    Replaced(r" …$", "", "more options"),
    Replaced(r"teacher=vgg19 ", "teacher=vgg19_distilled teacher.weights=VGG ", "a download"),
]

# VGG with random weights: it finds no style, but every layer and option is used.
_RANDOM_VGG = "encoder.weights=random encoder.allow_random=true"
_SMALL_TRAINING = (
    "trainer.max_steps=2 data.crop_size=64 data.batch_size=2 data.workers=0 "
    "callbacks.previews.size=64 trainer.accelerator=cpu"
)
# Recipes whose encoder is a VGG without a file of weights.
_WITH_VGG = (
    r"\btrain(\.py)? (?!.*(--help|--cfg|--info|encoder\.weights|quickstart|encoder=lite))"
    r"(?=.*(experiment=laptop|encoder=vgg|data=folder|data=shards|data=videos))"
    r"(?!.*experiment=(distill|meta|any_style)(?!.*encoder=vgg))"
)

# Commands that run before those of a page.
PREPARED = {
    # A recipe whose encoder and style image are here, for the losses in the model card.
    "docs/hub.md": "stylenet train style=starry experiment=quickstart run_dir=runs/mine",
}

APPENDED = [
    Appended(r"\btrain(\.py)? (?!.*(--help|--cfg|--info))", _SMALL_TRAINING, "minutes to days"),
    Appended(_WITH_VGG, _RANDOM_VGG, "the weights are a download"),
    Appended(
        r"\btrain .*style=(starry_night|great_wave|composition_vii)\b",
        "style.image=painting.jpg",
        "the painting is a download",
    ),
    Appended(r"network=\w+_dials", "style.size=32", "the style is seen at 17 sizes: a minute"),
    Appended(r"styles paint|paint_styles", "size=64", "minutes"),
    Appended(r"stylenet optimize ", "steps=2 size=64", "minutes"),
    Appended(r"stylenet dream ", "steps=1 octaves=2", "a minute"),
    Appended(r"stylenet dream .*zoom_frames", "zoom_frames=2", "a minute"),
    Appended(r"interpolate=", "frames=3", "a minute"),
    Appended(r"stylenet evaluate ", "size=64 repeats=1 precision=float32", "a minute"),
    Appended(r"stylenet evaluate .*iterations=", "iterations=2 iteration_photos=1", "minutes"),
    Appended(r"stylenet benchmark ", "size=64 batch=1 repeats=1 warmup=0", "minutes"),
]

COMPOSED = [
    Composed(
        r"benchmark suite=(?!inference network=johnson size=512)",
        "minutes, in processes of their own; tests/benchmark/ runs each suite",
    ),
    Composed(r"trainer=ddp", "several devices; tests/commands/test_several_devices.py runs it"),
    Composed(r"^sbatch ", "needs Slurm; tests/slurm/ submits these scripts to a real one"),
    Composed(r"input=camera", "needs a camera and a screen; tests/video/ has a stand-in"),
    Composed(r"styles add", "writes into the package; tests/commands/test_add_pretrained.py"),
    Composed(
        r"format=(ncnn|executorch|coreml|tflite)",
        "needs an extra for phones; tests/export/test_phones.py",
    ),
    Composed(r"data coco|prepare_coco", "downloads 18 GB; tests/commands/test_prepare_coco.py"),
    Composed(r"format=aotinductor", "compiles for minutes; tests/export/ runs it"),
    Composed(r"encoder distill|teacher=vgg19", "needs VGG-19; tests/test_distill_encoder.py"),
    Composed(r"checkpoints='\[johnson", "seven networks that are not distributed"),
]

CHECKED = [
    Checked(r"^make ", "has_make_target", "would set up an environment within this one"),
    Checked(r"^pip install -e '?\.", "has_extra", "would change this environment"),
    Checked(r"^python3 -m venv|^source |^export ", "is_known", "changes the shell only"),
    Checked(r"^hf auth login", "is_known", "asks for a token"),
    Checked(r"^pre-commit install", "is_known", "would change the hooks of the clone"),
    Checked(r"^cd page && python -m http.server", "is_known", "a server that does not end"),
    Checked(r"^python -m tensorboard.main", "imports_tensorboard", "a server that does not end"),
    Checked(r"^stylenet app", "is_known", "a server that does not end; tests/app/ starts one"),
    Checked(r"^trtexec", "is_known", "needs TensorRT and a GPU"),
    Checked(r"docker |^exec srun", "is_known", "needs Docker or a cluster; tests/release/"),
]
