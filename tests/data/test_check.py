import shutil

import pytest

from stylenet.data import PhotoDataset, scan_photos
from stylenet.data.check import check_photos


@pytest.mark.parametrize("workers", [0, 2])
def test_results_come_in_the_order_of_the_photos(photos, bad_files, tmp_path, workers):
    root = tmp_path / "mixed"
    shutil.copytree(photos, root)
    for name, data in bad_files.items():
        (root / name).write_bytes(data)
    names = scan_photos(root)
    messages = list(check_photos(PhotoDataset(root, names, 16, min_size=8), workers))
    assert len(messages) == len(names)
    for name, message in zip(names, messages, strict=True):
        if name in bad_files:
            assert message.startswith(str(root / name))
        else:
            assert message is None
