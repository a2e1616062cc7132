import errno
import os
import stat
from pathlib import Path

import pytest

from stylenet.errors import StyleNetError
from stylenet.files import atomic_path, reason, replace_folder, user_path, walk_files

SUFFIXES = {".jpg", ".png"}


def make_files(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def write_over(path, data=b"new", error=None):
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
        if error is not None:
            raise error


def test_a_file_appears_only_when_it_is_complete(tmp_path):
    path = tmp_path / "new" / "folder" / "a.png"
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"new")
        assert not path.exists()
        assert temporary.parent == path.parent
        assert temporary.suffix == ".png"
    assert path.read_bytes() == b"new"
    assert names_in(path.parent) == ["a.png"]


@pytest.mark.parametrize("letter", ["a", "é", "画"])
def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path, letter):
    path = tmp_path / f"{letter * (250 // len(letter.encode()))}.png"
    write_over(path)
    assert path.read_bytes() == b"new"
    assert names_in(tmp_path) == [path.name]


@pytest.mark.parametrize("error", [ValueError, StyleNetError, KeyboardInterrupt])
def test_an_interrupted_write_keeps_the_old_file(tmp_path, error):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    with pytest.raises(error):
        write_over(path, b"half of the n", error)
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["a.png"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_permissions_follow_the_umask(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        write_over(tmp_path / "a.png")
        assert os.umask(umask) == umask  # the umask itself is unchanged
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.png").stat().st_mode) == mode


def test_a_file_that_no_longer_fits_keeps_the_old_one(tmp_path):
    resource = pytest.importorskip("resource", reason="needs POSIX limits")
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    try:
        with pytest.raises(StyleNetError, match=f"^cannot write {path}: File too large$"):
            write_over(path, bytes(2 << 20))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["a.png"]


def test_a_full_disk_noticed_only_when_flushing_keeps_the_old_file(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StyleNetError, match=f"^cannot write {path}: No space left on device$"):
        write_over(path)
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["a.png"]


@pytest.mark.parametrize("name", ["file/a.png", "file/folder/a.png", "folder"])
def test_an_impossible_path_is_named(tmp_path, name):
    make_files(tmp_path, "file", "folder/kept")
    with pytest.raises(StyleNetError) as error:
        write_over(tmp_path / name)
    assert str(error.value).startswith(f"cannot write {tmp_path / name}: ")
    assert names_in(tmp_path) == ["file", "folder"]
    assert names_in(tmp_path / "folder") == ["kept"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StyleNetError, match="Permission denied"):
        write_over(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a.png"), "No space left on device"),
        (OSError("odd"), "odd"),
    ],
)
def test_the_reason_is_the_systems_message(error, words):
    assert reason(error) == words


def test_files_in_all_subfolders_are_found_in_order(tmp_path):
    make_files(tmp_path, "b.jpg", "a.PNG", "b/z.jpg", "b/deep/er/y.JpG", "a.txt", "jpg")
    files, folders = walk_files(tmp_path, SUFFIXES)
    assert files == ["a.PNG", "b.jpg", "b/deep/er/y.JpG", "b/z.jpg"]
    assert folders == {
        name: (tmp_path / name).stat().st_mtime_ns for name in ("", "b", "b/deep", "b/deep/er")
    }


def test_hidden_files_and_folders_are_skipped(tmp_path):
    make_files(tmp_path, "a.jpg", "._a.jpg", ".jpg", ".thumbnails/b.jpg")
    files, folders = walk_files(tmp_path, SUFFIXES)
    assert files == ["a.jpg"]
    assert list(folders) == [""]


@pytest.mark.parametrize("link", ["up", "a/up", "a/b/up"])
def test_a_link_to_a_parent_folder_is_not_followed_endlessly(tmp_path, link):
    make_files(tmp_path, "a/b/x.jpg")
    (tmp_path / link).symlink_to(tmp_path)
    assert walk_files(tmp_path, SUFFIXES)[0] == ["a/b/x.jpg"]


def test_a_linked_folder_outside_is_searched_once(tmp_path):
    make_files(tmp_path, "outside/x.jpg", "root/a.jpg")
    for name in ("one", "two"):
        (tmp_path / "root" / name).symlink_to(tmp_path / "outside")
    files, _ = walk_files(tmp_path / "root", SUFFIXES)
    assert [name.rpartition("/")[2] for name in files] == ["a.jpg", "x.jpg"]


@pytest.mark.parametrize("target", ["itself", "nowhere", "a.jpg/beyond"])
def test_a_broken_link_does_not_end_the_search(tmp_path, target):
    make_files(tmp_path, "a.jpg")
    (tmp_path / "itself").symlink_to(tmp_path / target)
    assert walk_files(tmp_path, SUFFIXES)[0] == ["a.jpg"]


def test_a_missing_folder_raises_the_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        walk_files(tmp_path / "missing", SUFFIXES)


def test_a_tilde_is_expanded_if_there_is_a_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere")
    assert user_path("~/a.jpg") == Path("/somewhere/a.jpg")
    assert user_path("~nobody-of-that-name.jpg") == Path("~nobody-of-that-name.jpg")
    assert user_path(2017) == Path("2017")


def test_a_user_without_a_home_folder_gets_no_traceback(homeless):
    assert user_path("~/a.jpg") == Path("~/a.jpg")


def test_a_folder_replaces_an_earlier_one(tmp_path):
    make_files(tmp_path, "source/inner/new", "parent/target/inner/old")
    for target in ("parent/target", "missing/target"):
        replace_folder(tmp_path / "source", tmp_path / target)
        assert names_in(tmp_path / target / "inner") == ["new"]
        assert names_in((tmp_path / target).parent) == ["target"]


def test_a_folder_does_not_replace_a_file(tmp_path):
    make_files(tmp_path, "source/new", "target")
    with pytest.raises(StyleNetError, match=f"cannot write {tmp_path}/target: Not a directory"):
        replace_folder(tmp_path / "source", tmp_path / "target")
    assert names_in(tmp_path) == ["source", "target"]
