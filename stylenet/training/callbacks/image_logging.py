"""Logging of images with any logger."""

import numpy as np
from pytorch_lightning.loggers import Logger, MLFlowLogger, TensorBoardLogger
from torch import Tensor

from stylenet.image import to_image


def log_image(logger: Logger, name: str, image: Tensor, step: int) -> None:
    """Log an image, if the logger accepts images.

    Args:
        logger: TensorBoard's, MLflow's, or one with a method ``log_image(key, images, step)`` as
            that of Weights & Biases has it. Other loggers, such as the CSV logger, are skipped.
        name: Name of the image.
        image: RGB in [0, 1], shape (3, H, W).
        step: Training steps taken.
    """
    if isinstance(logger, TensorBoardLogger):
        logger.experiment.add_image(name, image, step)
    elif isinstance(logger, MLFlowLogger):
        file = f"{name}/step_{step:07d}.png"
        logger.experiment.log_image(logger.run_id, np.asarray(to_image(image)), file)
    elif hasattr(logger, "log_image"):
        logger.log_image(key=name, images=[to_image(image)], step=step)
