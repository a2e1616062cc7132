"""Facts about VGG networks that networks and losses share."""

# Normalization of torchvision's ImageNet weights (its VGG16_Weights.transforms()).
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

# Convolutions of each block and their channels: Simonyan & Zisserman 2015 (arXiv:1409.1556), table
# 1, columns D and E. 2x2 pooling follows each block.
_BLOCK_CHANNELS = (64, 128, 256, 512, 512)
_BLOCK_SIZES = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}

# Channels of all convolutions by name: ``{"vgg16": {"conv1_1": 64, …}, …}``.
VGG_CONVOLUTIONS = {
    architecture: {
        f"conv{block}_{index}": channels
        for block, (size, channels) in enumerate(zip(sizes, _BLOCK_CHANNELS, strict=True), 1)
        for index in range(1, size + 1)
    }
    for architecture, sizes in _BLOCK_SIZES.items()
}

# StyleNet's small encoder has fewer channels, under the names of the convolutions of VGG-19 that
# they stand for. Chosen by measurement on a CPU: forward and backward are 5.5 (float32) to 6.7
# times (bfloat16) as fast as VGG-19's to relu3_4; 64 channels in the second block take it below 5.
# The last has twice the channels at a quarter of the positions, as VGG's blocks have.
LITE_CONVOLUTIONS = {
    **{"conv1_1": 16, "conv1_2": 16, "conv2_1": 48, "conv2_2": 48},
    **{"conv3_1": 64, "conv3_2": 64, "conv3_4": 64, "conv4_1": 128},
}
