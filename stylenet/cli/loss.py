"""Building the terms of a loss from its options, of this version or an earlier one."""

from collections.abc import Mapping
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from stylenet.cli.app import build
from stylenet.cli.renamed import RENAMED
from stylenet.errors import StyleNetError
from stylenet.methods.adversarial.loss import AdversarialOptions
from stylenet.perceptual import LossTerm
from stylenet.perceptual.loss_term import named_options
from stylenet.program import command
from stylenet.training.temporal import TemporalLoss

# Keys of a term that another config group sets (encoder=lite names layers that it has), which alone
# make no term.
_SET_BY_OTHERS = {"layers"}

# The weight of the loss that modules compute themselves, see :func:`build_temporal`.
TEMPORAL = "temporal_weight"

# Options of the adversarial term that stood beside the others up to version 0.1.
_ADVERSARIAL = (
    *("style_folder", "objective", "spectral_norm"),
    *("discriminator_width", "discriminator_layers", "discriminator_lr_ratio"),
)


def build_terms(loss: DictConfig) -> dict[str, Any]:
    """Build the terms of a loss.

    Args:
        loss: The config group ``loss``: a mapping from names to terms, each with a ``_target_``, or
            ``null`` to leave a term out. Flat options, which recipes of version 0.1 hold, work too.

    Returns:
        Terms by name, in the order of the config: a :class:`LossTerm` each, or the
        :class:`AdversarialOptions` of ``loss=adversarial``.

    Raises:
        StyleNetError: A value is impossible, or something else than a term.
    """
    if is_flat(loss):
        plain = cast(dict[str, Any], OmegaConf.to_container(loss, resolve=True))
        return build_terms(OmegaConf.create(terms_of_flat(plain)))
    terms: dict[str, Any] = {}
    for name in map(str, loss):
        option, config = f"loss.{name}", loss[name]
        if config is None or name == TEMPORAL or _is_left_out(config):
            continue
        if option in RENAMED:
            raise StyleNetError(f"{option} has another name now. Set {RENAMED[option]} instead.")
        if not isinstance(config, DictConfig) or "_target_" not in config:
            raise StyleNetError(
                f"{option}={config} is no term of the loss. Give it a class: +{option}._target_="
                f"package.Term, or leave it out: {option}=null"
            )
        with named_options(option):
            terms[name] = build(config)
        if not isinstance(terms[name], LossTerm | AdversarialOptions):
            raise StyleNetError(
                f"{option}._target_={config._target_} is no term of the loss. Derive the class "
                f"from stylenet.perceptual.LossTerm."
            )
    return terms


def build_temporal(config: DictConfig) -> TemporalLoss | None:
    """Build the temporal loss of a training.

    Args:
        config: All options of the command.

    Returns:
        The loss; ``None`` if ``loss.temporal_weight`` is 0, and then training does no more work.

    Raises:
        StyleNetError: The weight is impossible.
    """
    temporal = TemporalLoss(config.loss.get(TEMPORAL) or 0.0, config.seed)
    return temporal if temporal.weight else None


def refuse_temporal(config: DictConfig) -> None:
    """Check that no temporal loss is asked for where no network is trained.

    Args:
        config: All options of the command.

    Raises:
        StyleNetError: ``loss.temporal_weight`` is not 0.
    """
    weight = config.loss.get(TEMPORAL)
    if weight:
        raise StyleNetError(
            f"loss.{TEMPORAL}={weight} compares two views of each photo while a network is "
            f"trained by {command('train')}. Leave it out here."
        )


def is_flat(loss: Mapping[Any, Any] | DictConfig) -> bool:
    """Return whether a loss has the flat options of version 0.1 instead of terms."""
    return "content_weight" in loss


def terms_of_flat(loss: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the flat options of version 0.1 to terms.

    Args:
        loss: ``form``, ``content_layers``, ``content_weight`` and so on, as recipes and config.yaml
            of runs hold them.

    Returns:
        The config of the same loss, as configs/loss/ has it.
    """
    perceptual, relative = "stylenet.perceptual", loss["form"] == "relative"
    terms: dict[str, Any] = {
        "content": {
            "_target_": f"{perceptual}.ContentLoss",
            "layers": loss["content_layers"],
            "weight": loss["content_weight"],
            "relative": relative,
        },
        "style": {
            "_target_": f"{perceptual}.StyleLoss",
            "layers": loss["style_layers"],
            "weight": loss["style_weight"],
            "statistics": loss.get("style_statistics", "gram"),
            "relative": relative,
        },
        "tv": {"_target_": f"{perceptual}.TotalVariationLoss", "weight": loss["tv_weight"]},
        "dream": {
            "_target_": f"{perceptual}.DreamLoss",
            "layers": loss.get("dream_layers"),
            "channels": loss.get("dream_channels"),
            "weight": loss.get("dream_weight", 0.0),
        },
    }
    if "adversarial_weight" in loss:
        terms["adversarial"] = {
            "_target_": "stylenet.methods.adversarial.loss.AdversarialOptions",
            "weight": loss["adversarial_weight"],
            **{name: loss[name] for name in _ADVERSARIAL if name in loss},
        }
    return terms


def _is_left_out(config: Any) -> bool:
    return isinstance(config, DictConfig) and set(config) <= _SET_BY_OTHERS
