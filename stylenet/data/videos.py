"""Training data of videos: neighboring frames and the motion between them."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stylenet.data.loading import Batch, Clips, Pairs, photos_of
from stylenet.data.module import PhotoData
from stylenet.data.photos import PhotoDataset, square
from stylenet.data.scan import scan_files


class VideoDataset(PhotoDataset):
    """Endless random crops of neighboring frames; sample n depends only on the seed and n.

    Video, moment, crop and flip of sample n come from a generator seeded with (seed, n). Each epoch
    of ``len(photos)`` samples has every video once, in a new order.

    Attributes:
        photos: Paths of the videos.
    """

    def _crop(self, path: Path, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Return two neighboring frames and their motion.

        Returns:
            RGB, uint8, shape (2, crop, crop, 3); and the motion, see
            :attr:`stylenet.data.Clips.motion`, shape (3, crop, crop).
        """
        # Imported here, because only this data needs it.
        from stylenet.video.flow import find_flow, to_gray
        from stylenet.video.pairs import read_pair

        moment, scale, x, y, flip = random.random(5)
        images = [Image.fromarray(pixels) for pixels in read_pair(path, moment)]
        self._check_size(path, images[0])
        short_side = self.crop_size * (1 + scale * (self.max_scale - 1))
        side = min(images[0].size) * self.crop_size / round(short_side)
        crops = [square(image, side, x, y, self.crop_size) for image in images]
        if flip < 0.5:
            crops = [crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for crop in crops]
        before, after = (np.array(crop, dtype=np.uint8) for crop in crops)
        flow, visible = find_flow(to_gray(before), to_gray(after))
        return torch.from_numpy(np.stack([before, after])), torch.cat([flow, visible], 1)[0]

    def _open(self, path: Path, smallest: int) -> Image.Image:
        """Decode the middle frame of a video, for previews and checks."""
        from stylenet.video.pairs import read_pair

        image = Image.fromarray(read_pair(path, 0.5)[0])
        self._check_size(path, image)
        return image


class VideoData(PhotoData):
    """Batches of neighboring frames from a folder of videos."""

    _config = "videos"
    unit = "videos"
    dataset_type = VideoDataset

    def list_photos(self) -> list[str]:
        """List the videos; their paths are relative to the folder.

        Raises:
            StyleNetError: The folder is missing or holds no video.
        """
        from stylenet.video.suffixes import VIDEO_SUFFIXES

        return scan_files(self.root, VIDEO_SUFFIXES, "video", self._option)

    def on_before_batch_transfer(
        self, batch: Batch | list[Batch], dataloader_idx: int
    ) -> Tensor | Pairs | Clips:
        """Extract pixels and motion; otherwise like the base class."""
        motion = (batch[0] if isinstance(batch, list) else batch).motion
        extracted = super().on_before_batch_transfer(batch, dataloader_idx)
        assert motion is not None
        pixels = photos_of(extracted)  # (N, 2, crop, crop, 3)
        first, following = pixels[:, 0], pixels[:, 1]
        if isinstance(extracted, Pairs):
            return Clips(extracted._replace(photos=first), following, motion)
        return Clips(first, following, motion)

    def on_after_batch_transfer(
        self, batch: Tensor | Pairs | Clips, dataloader_idx: int
    ) -> Tensor | Pairs | Clips:
        """Convert uint8 to floats on the device, as the base class does."""
        assert isinstance(batch, Clips)
        first = super().on_after_batch_transfer(batch.batch, dataloader_idx)
        assert not isinstance(first, Clips)
        motion = batch.motion.double() if self._is_double else batch.motion
        return Clips(first, self._to_images(batch.following), motion)
