"""A VGG-19 with a sixteenth of the weights, by Wang et al. 2020: deep layers, to distil from."""

import torch
from torch import nn

from stylenet.errors import StyleNetError
from stylenet.files import user_path
from stylenet.perceptual.encoder import IMAGENET_MEAN, IMAGENET_STD, Encoder
from stylenet.state_dict import read_state_dict

# Convolutions of a block and their channels, a quarter of VGG-19's.
_BLOCKS = ((2, 16), (2, 32), (4, 64), (4, 128), (1, 128))
# VGG-19's channels at the first convolution of each block, where its features are told from.
_WIDTHS = (64, 128, 256, 512, 512)


class DistilledVGGEncoder(Encoder):
    """Gives features in the place of VGG-19's at relu1_1, relu2_1, relu3_1, relu4_1 and relu5_1.

    From "Collaborative Distillation for Ultra-Resolution Universal Style Transfer"
    (arXiv:2003.08436), whose authors publish the weights under the MIT license. Its features are in
    the units of the normalized VGG of Gatys et al. 2016, where the mean of each channel is about 1.
    """

    def __init__(self, weights: str) -> None:
        """Builds the encoder and fills it.

        Args:
            weights: Path of the authors' ``.pth`` file of the encoder with auxiliary layers, of the
                kind ``5SE``.

        Raises:
            StyleNetError: The file is missing, damaged or something else.
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
    """Takes the weights out of the file."""
    path = user_path(weights)
    if not path.is_file():
        raise StyleNetError(
            f"teacher.weights={weights}: no such file; give the path of the file of VGG-19's 16 "
            f"times smaller encoder 5SE that the authors of arXiv:2003.08436 publish"
        )
    state, _ = read_state_dict(path, "teacher.weights")
    for name, convolution in named.items():
        for kind, parameter in convolution.named_parameters():
            tensor, expected = state.get(f"{name}.{kind}"), tuple(parameter.shape)
            if tensor is None or tuple(tensor.shape) != expected:
                found = "absent" if tensor is None else tuple(tensor.shape)
                raise StyleNetError(
                    f"teacher.weights={path} is not the 16 times smaller VGG-19 of "
                    f"arXiv:2003.08436: {name}.{kind} is {found}, expected {expected}"
                )
            if not bool(torch.isfinite(tensor).all()):
                raise StyleNetError(f"teacher.weights={path}: {name} holds NaN or infinity")
            parameter.data.copy_(tensor)
    # It takes RGB in [0, 1] as it is; here the first layer gets it in ImageNet's normalization.
    mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
    first = named["conv0"]
    with torch.no_grad():
        first.bias += first.weight[:, :, 0, 0] @ mean  # type: ignore[operator]
        first.weight *= std.view(1, 3, 1, 1)
