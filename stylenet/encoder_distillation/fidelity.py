"""Errors of a small encoder relative to a large one, and the layers that both have."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from stylenet.errors import StyleNetError
from stylenet.perceptual import Encoder, LiteEncoder, content_loss, gram_matrix, style_loss


def choose_layers(student: LiteEncoder, teacher: Encoder) -> list[str]:
    """Return the layers of the student that the teacher can train, from shallow to deep.

    Raises:
        StyleNetError: There are none, or a layer before them is missing.
    """
    layers = student.layers
    common = [layer for layer in layers if layer in teacher.layers]
    if not common:
        raise StyleNetError(
            f"teacher.weights={teacher.weights} have none of the layers of the small encoder, "
            f"{', '.join(layers)}; give the file of a VGG-19, which has them"
        )
    first, last = layers.index(common[0]), layers.index(common[-1])
    missing = [
        layer
        for index, layer in enumerate(layers[:last])
        if layer not in common and (index > first or layer in student.untrained)
    ]
    if missing:
        raise StyleNetError(
            f"teacher.weights={teacher.weights} have {', '.join(common)} but not "
            f"{', '.join(missing)}, where the small encoder is untrained; use a teacher with these "
            f"layers, such as vgg19, or start from student.weights=bundled"
        )
    return common


def relative_errors(
    student: Encoder, teacher: Encoder, images: Tensor, layers: Sequence[str]
) -> dict[str, Tensor]:
    """Measure the distance of the student's features and Gram matrices from the teacher's.

    Args:
        student: The small encoder.
        teacher: The large encoder.
        images: RGB in [0, 1], shape (N, 3, H, W).
        layers: Layers to compare.

    Returns:
        Squared distances relative to the squared norms of the teacher, means over the images,
        scalars by name: ``features/relu1_2`` …, then ``gram/relu1_2`` … for each layer.
    """
    with torch.no_grad():
        targets = teacher(images, layers)
        target_grams = {layer: gram_matrix(targets[layer]) for layer in layers}
    features = student(images, layers)
    errors = {f"features/{name}": content_loss(features[name], targets[name]) for name in layers}
    for name in layers:
        errors[f"gram/{name}"] = style_loss(gram_matrix(features[name]), target_grams[name])
    return errors


@torch.no_grad()
def mean_errors(student: Encoder, teacher: Encoder, images: Iterable[Tensor]) -> dict[str, float]:
    """Measure the student on images of any size, one at a time.

    Args:
        student: The small encoder.
        teacher: The large encoder.
        images: RGB in [0, 1], each of shape (N, 3, H, W).

    Returns:
        Means of :func:`relative_errors` by name, for the layers that both encoders have.
    """
    device = next(student.parameters()).device
    layers = [layer for layer in student.layers if layer in teacher.layers]
    errors = [relative_errors(student, teacher, image.to(device), layers) for image in images]
    return {name: float(torch.stack([e[name] for e in errors]).mean()) for name in errors[0]}
