import shutil

import pytest

from stylenet.data import PhotoDataset, scan_photos
from stylenet.data.check import check_photos


@pytest.mark.parametrize("workers", [0, 2])
def test_verdict_on_every_photo_comes_in_order(photos, bad_files, tmp_path, workers):
    root = tmp_path / "mixed"
    shutil.copytree(photos, root)
    for name, data in bad_files.items():
        (root / name).write_bytes(data)
    names = scan_photos(root)
    verdicts = list(check_photos(PhotoDataset(root, names, 16, min_size=8), workers))
    assert len(verdicts) == len(names)
    for name, verdict in zip(names, verdicts, strict=True):
        if name in bad_files:
            assert verdict.startswith(str(root / name))
        else:
            assert verdict is None
