"""A VGG-19 with a sixteenth of the weights (Wang et al. 2020), a teacher of deep layers."""

import torch
from torch import nn

from stylenet.errors import StyleNetError
from stylenet.files import user_path
from stylenet.perceptual.encoder import Encoder
from stylenet.state_dict import read_state_dict
from stylenet.vgg import IMAGENET_MEAN, IMAGENET_STD, VGG_CONVOLUTIONS

# Convolutions of each block and their channels, a quarter of VGG-19's.
_BLOCKS = ((2, 16), (2, 32), (4, 64), (4, 128), (1, 128))
# Channels of VGG-19 at the first convolution of each block, whose features are predicted.
_WIDTHS = tuple(VGG_CONVOLUTIONS["vgg19"][f"conv{block}_1"] for block in range(1, 6))


class DistilledVGGEncoder(Encoder):
    """Encoder that predicts VGG-19's relu1_1, relu2_1, relu3_1, relu4_1 and relu5_1.

    From "Collaborative Distillation for Ultra-Resolution Universal Style Transfer"
    (arXiv:2003.08436), whose authors publish the weights under the MIT license. Its features are
    scaled as in the normalized VGG of Gatys et al. 2016, where the mean of each channel is about 1.
    """

    def __init__(self, weights: str) -> None:
        """Build the encoder and load its weights.

        Args:
            weights: Path of the authors' ``.pth`` file of the encoder ``5SE`` with auxiliary
                layers.

        Raises:
            StyleNetError: The file is missing, damaged or of another network.
        """
        layers: dict[str, nn.Module] = {}
        heads: dict[str, nn.Module] = {}
        named: dict[str, nn.Conv2d] = {"conv0": nn.Conv2d(3, 3, 1)}
        layers["image"] = named["conv0"]
        inputs = 3
        for block, ((count, channels), width) in enumerate(zip(_BLOCKS, _WIDTHS, strict=True), 1):
            if block > 1:
                layers[f"pool{block - 1}"] = nn.MaxPool2d(2, 2)
            for index in range(1, count + 1):
                convolution = nn.Conv2d(inputs, channels, 3, padding=1, padding_mode="reflect")
                named[f"conv{block}{index}"] = convolution
                inputs = channels
                if index > 1:
                    layers[f"inner{block}_{index}"] = nn.Sequential(convolution, nn.ReLU())
                    continue
                head = named[f"conv{block}1_aux"] = nn.Conv2d(channels, width, 1)
                layers[f"conv{block}_1"] = nn.Sequential(convolution, nn.ReLU())
                heads[f"conv{block}_1"] = head
                layers[f"relu{block}_1"] = nn.Identity()
                heads[f"relu{block}_1"] = nn.Sequential(head, nn.ReLU())
        _fill(named, weights)
        super().__init__("vgg19_distilled", weights, layers, heads)


def _fill(named: dict[str, nn.Conv2d], weights: str) -> None:
    path = user_path(weights)
    if not path.is_file():
        raise StyleNetError(
            f"teacher.weights={weights}: no such file; give the path of the encoder 5SE, a 16 "
            f"times smaller VGG-19, which the authors of arXiv:2003.08436 publish"
        )
    state, _ = read_state_dict(path, "teacher.weights")
    for name, convolution in named.items():
        for key, parameter in convolution.named_parameters():
            tensor, expected = state.get(f"{name}.{key}"), tuple(parameter.shape)
            if tensor is None or tuple(tensor.shape) != expected:
                shape = "absent" if tensor is None else tuple(tensor.shape)
                raise StyleNetError(
                    f"teacher.weights={path} is not the 16 times smaller VGG-19 of "
                    f"arXiv:2003.08436: {name}.{key} is {shape}, expected {expected}"
                )
            if not bool(torch.isfinite(tensor).all()):
                raise StyleNetError(f"teacher.weights={path}: {name} holds NaN or infinity")
            parameter.data.copy_(tensor)
    # The authors' encoder takes RGB in [0, 1]; Encoder passes it in ImageNet's normalization.
    mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
    first = named["conv0"]
    with torch.no_grad():
        first.bias += first.weight[:, :, 0, 0] @ mean  # type: ignore[operator]
        first.weight *= std.view(1, 3, 1, 1)
