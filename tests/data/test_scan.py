import os
import shutil
import tempfile

import pytest

from stylenet.data import scan_photos
from stylenet.errors import StyleNetError
from stylenet.files import cache_folder


@pytest.fixture
def root(tmp_path):
    """Folder of files with old modification times."""
    names = ["z.jpg", "a/2.PNG", "a/10.webp", "a/b/c.tif", "B.jpeg", "notes.txt", ".hidden/d.jpg"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for folder, _, _ in os.walk(tmp_path):
        os.utime(folder, (1, 1))
    return tmp_path


FOUND = ["B.jpeg", "a/10.webp", "a/2.PNG", "a/b/c.tif", "z.jpg"]


def test_images_in_all_subfolders_are_found_in_order(root):
    assert scan_photos(root) == FOUND
    assert scan_photos(str(root)) == FOUND


def test_the_order_does_not_depend_on_the_file_system(root, monkeypatch):
    class Backwards(list):
        def __init__(self, folder):
            with listed(folder) as entries:
                super().__init__(sorted(entries, key=lambda entry: entry.name, reverse=True))

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    listed = os.scandir
    monkeypatch.setattr(os, "scandir", Backwards)
    assert scan_photos(root) == FOUND


def test_a_second_scan_lists_no_folder(root, monkeypatch):
    first = scan_photos(root)
    monkeypatch.setattr(os, "scandir", lambda folder: pytest.fail(f"{folder} is listed again"))
    assert scan_photos(root) == first


def add_file(root):
    (root / "a/b/new.jpg").touch()
    return [*FOUND[:4], "a/b/new.jpg", "z.jpg"]


def remove_file(root):
    (root / "a/b/c.tif").unlink()
    return [name for name in FOUND if name != "a/b/c.tif"]


def rename_file(root):
    (root / "a/2.PNG").rename(root / "a/3.png")
    return [name.replace("2.PNG", "3.png") for name in FOUND]


def add_folder(root):
    (root / "a/b/deep").mkdir()
    (root / "a/b/deep/new.jpg").touch()
    return [*FOUND[:4], "a/b/deep/new.jpg", "z.jpg"]


def remove_folder(root):
    shutil.rmtree(root / "a/b")
    return [name for name in FOUND if name != "a/b/c.tif"]


@pytest.mark.parametrize("change", [add_file, remove_file, rename_file, add_folder, remove_folder])
def test_a_change_in_a_subfolder_is_noticed(root, change):
    scan_photos(root)
    expected = change(root)
    assert scan_photos(root) == expected


def test_each_folder_has_its_own_cache_entry(root):
    assert scan_photos(root) == FOUND
    assert scan_photos(root / "a") == ["10.webp", "2.PNG", "b/c.tif"]
    assert scan_photos(root) == FOUND


def test_the_list_is_stored_in_the_cache_and_not_among_the_photos(root, cache):
    scan_photos(root)
    assert [path for path in cache.rglob("*") if path.is_file()]
    assert sorted(path.name for path in root.iterdir()) == sorted(
        ["z.jpg", "a", "B.jpeg", "notes.txt", ".hidden"]
    )


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[]", b"{}", b'{"folders": 3, "photos": 1}', b'{"folders": {"": 0}}', b"\xff\0"],
)
def test_a_damaged_cache_is_ignored(root, cache, damage):
    scan_photos(root)
    for path in cache.rglob("*.json"):
        path.write_bytes(damage)
    assert scan_photos(root) == FOUND


def test_an_unwritable_cache_is_ignored(root, tmp_path_factory, monkeypatch):
    file = tmp_path_factory.mktemp("full") / "file"
    file.touch()
    monkeypatch.setenv("STYLENET_CACHE", str(file))
    assert scan_photos(root) == FOUND
    assert scan_photos(root) == FOUND


def test_a_tilde_is_expanded_to_the_home_folder(root, monkeypatch):
    monkeypatch.setenv("HOME", str(root))
    assert scan_photos("~/a/b") == ["c.tif"]
    monkeypatch.setenv("STYLENET_CACHE", "~/cache")
    assert cache_folder() == root / "cache"


def test_a_user_without_a_home_folder_has_a_cache(root, homeless, monkeypatch, tmp_path):
    monkeypatch.delenv("STYLENET_CACHE")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert cache_folder() == tmp_path / "stylenet"
    assert scan_photos(root) == FOUND


def test_the_default_cache_is_the_platforms(monkeypatch):
    monkeypatch.delenv("STYLENET_CACHE")
    assert "stylenet" in str(cache_folder()).lower()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", "no such folder"),
        ("z.jpg", "is a file"),
        ("empty", "holds no image"),
        ("texts", "holds no image"),
    ],
)
def test_a_folder_without_photos_is_named(root, name, message):
    (root / "empty").mkdir()
    (root / "texts").mkdir()
    (root / "texts/a.txt").touch()
    for _ in range(2):  # the second time from the cache
        with pytest.raises(StyleNetError) as error:
            scan_photos(root / name)
        assert f"data.root={root / name}" in str(error.value)
        assert message in str(error.value)
        assert "\n" not in str(error.value)


def test_an_emptied_folder_is_noticed(root):
    scan_photos(root / "a/b")
    remove_file(root)
    with pytest.raises(StyleNetError, match="holds no image"):
        scan_photos(root / "a/b")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read anything")
def test_a_folder_without_permission_is_named(root):
    (root / "a").chmod(0)
    try:
        with pytest.raises(StyleNetError, match=f"data.root={root} cannot be read"):
            scan_photos(root)
    finally:
        (root / "a").chmod(0o700)
