"""How close a small encoder is to the large one that it learns from, and where it can learn."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from stylenet.errors import StyleNetError
from stylenet.perceptual import Encoder, LiteEncoder, content_loss, gram_matrix, style_loss


def choose_layers(student: LiteEncoder, teacher: Encoder) -> list[str]:
    """Says which layers of the student the teacher can teach.

    Args:
        student: The small encoder.
        teacher: The large encoder.

    Returns:
        Their names, one behind the other.

    Raises:
        StyleNetError: There are none, or one is missing on the way to them.
    """
    layers = student.layers
    taught = [layer for layer in layers if layer in teacher.layers]
    if not taught:
        raise StyleNetError(
            f"teacher.weights={teacher.weights} have none of the layers that the small encoder "
            f"learns, {', '.join(layers)}; the file of a VGG-19 has them"
        )
    first, last = layers.index(taught[0]), layers.index(taught[-1])
    missing = [
        layer
        for index, layer in enumerate(layers[:last])
        if layer not in taught and (index > first or layer in student.untrained)
    ]
    if missing:
        raise StyleNetError(
            f"teacher.weights={teacher.weights} have {', '.join(taught)} but not "
            f"{', '.join(missing)}, which the small encoder has not learned before; use a teacher "
            f"that has it, as vgg19, or begin with student.weights=bundled"
        )
    return taught


def relative_errors(
    student: Encoder, teacher: Encoder, images: Tensor, layers: Sequence[str]
) -> dict[str, Tensor]:
    """Measures how far the student's features and Gram matrices are from the teacher's.

    Args:
        student: The small encoder.
        teacher: The large encoder.
        images: RGB in [0, 1], shape (N, 3, H, W).
        layers: Of which layers.

    Returns:
        Scalars, squared distances relative to the teacher's squared norms, means over the
        images: ``features/relu1_2`` …, then ``gram/relu1_2`` … for each of the layers.
    """
    with torch.no_grad():
        targets = teacher(images, layers)
        target_grams = {layer: gram_matrix(targets[layer]) for layer in layers}
    found = student(images, layers)
    errors = {f"features/{name}": content_loss(found[name], targets[name]) for name in layers}
    for name in layers:
        errors[f"gram/{name}"] = style_loss(gram_matrix(found[name]), target_grams[name])
    return errors


@torch.no_grad()
def mean_errors(student: Encoder, teacher: Encoder, images: Iterable[Tensor]) -> dict[str, float]:
    """Measures the student on images of any sizes, exactly as it would run.

    Args:
        student: The small encoder.
        teacher: The large encoder.
        images: RGB in [0, 1], each of shape (N, 3, H, W).

    Returns:
        The means of :func:`relative_errors`, by name, for the layers that both have.
    """
    device = next(student.parameters()).device
    layers = [layer for layer in student.layers if layer in teacher.layers]
    found = [relative_errors(student, teacher, p.to(device), layers) for p in images]
    return {name: float(torch.stack([f[name] for f in found]).mean()) for name in found[0]}
