"""Images for loggers, each in its own way."""

import numpy as np
from pytorch_lightning.loggers import Logger, MLFlowLogger, TensorBoardLogger
from torch import Tensor

from stylenet.image import to_image


def log_image(logger: Logger, name: str, image: Tensor, step: int) -> None:
    """Give an image to a logger, if it takes images.

    Args:
        logger: TensorBoard's, MLflow's, or one with a method ``log_image(key, images, step)``, such
            as that of Weights & Biases. Others, such as the CSV logger, get nothing.
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
