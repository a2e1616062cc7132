"""Former names of options, each answered with the new name."""

from collections.abc import Sequence

from stylenet.errors import StyleNetError

# Old to new. A key stands for all options below it, GROUP=CHOICE for one choice of a group; an
# option that became several names them with "and" between.
RENAMED: dict[str, str] = {
    "blend_share": "blend_weight",
    "distillation.stylised": "distillation.stylized",
    "dtype": "precision",
    "film": "video",
    "film_frames": "video_frames",
    "licence": "license",
    "loss.adversarial_weight": "loss.adversarial.weight",
    "loss.content_layers": "loss.content.layers",
    "loss.content_weight": "loss.content.weight",
    "loss.discriminator_layers": "loss.adversarial.discriminator_layers",
    "loss.discriminator_lr_ratio": "loss.adversarial.discriminator_lr_ratio",
    "loss.discriminator_width": "loss.adversarial.discriminator_width",
    "loss.dream_channels": "loss.dream.channels",
    "loss.dream_layers": "loss.dream.layers",
    "loss.dream_weight": "loss.dream.weight",
    "loss.form": "loss.content.relative and loss.style.relative",
    "loss.objective": "loss.adversarial.objective",
    "loss.spectral_norm": "loss.adversarial.spectral_norm",
    "loss.style_folder": "loss.adversarial.style_folder",
    "loss.style_layers": "loss.style.layers",
    "loss.style_statistics": "loss.style.statistics",
    "loss.style_weight": "loss.style.weight",
    "loss.tv_weight": "loss.tv.weight",
    "loss=optimisation": "loss=optimization",
    "optimizer.decay": "schedule",
    "optimizer.decay=none": "schedule=constant",
    "optimizer.warmup_steps": "schedule.warmup_steps",
    "stylised": "stylized",
}


def check_renamed(arguments: Sequence[str]) -> None:
    """Refuse an option that has a new name.

    Args:
        arguments: The command line.

    Raises:
        StyleNetError: An option is in :data:`RENAMED`; the message says how to write it now.
    """
    for argument in arguments:
        bare = argument.lstrip("+~")
        # The new option is there: nothing to add.
        prefix = argument[: len(argument) - len(bare)].replace("+", "")
        key, equals, value = bare.partition("=")
        value = value.strip("'\"")
        if f"{key}={value}" in RENAMED:
            new = RENAMED[f"{key}={value}"]
            raise StyleNetError(f"{key}={value} is now {new}. Write {prefix}{new} instead.")
        new_key = _new_key(key)
        if new_key is not None and " and " in new_key:
            raise StyleNetError(f"{key} is now {new_key}. See --help for their values.")
        if new_key is not None:
            raise StyleNetError(
                f"{key} is now {new_key}. Write {prefix}{new_key}{equals}{value} instead."
            )


def _new_key(key: str) -> str | None:
    """Return the new name of a dotted key, ``None`` if it has none."""
    parts = key.split(".")
    for count in range(len(parts), 0, -1):
        new = RENAMED.get(".".join(parts[:count]))
        if new is not None:
            return ".".join([new, *parts[count:]])
    return None
