import pytest

from stylenet.app import visits as module
from stylenet.app.visits import Visits
from stylenet.app.work import Stopped


@pytest.fixture
def visits(tmp_path):
    (tmp_path / "visits").mkdir()
    return Visits(tmp_path / "visits")


@pytest.mark.parametrize(
    ("name", "kept", "suffix"),
    [
        ("holiday.JPG", "holiday.JPG", ".jpg"),
        ("../../etc/passwd", "passwd", ""),
        ("C:\\photos\\a.png", "a.png", ".png"),
        ("no.suffixthatlong", "no.suffixthatlong", ""),
        ("", "upload", ""),
    ],
)
def test_an_upload_gets_a_harmless_path(visits, tmp_path, name, kept, suffix):
    source = tmp_path / "server file"
    source.write_bytes(b"x")
    visit = visits.get("a")
    upload = visit.take(source, name)
    assert upload.name == kept
    assert upload.path.name == f"upload{suffix}"
    assert upload.path.parent.parent == visit.folder
    assert upload.path.read_bytes() == b"x"


def test_a_tab_keeps_its_folder_until_it_is_closed(visits):
    first, second = visits.get("../a"), visits.get("b")
    assert visits.get("../a") is first
    assert first.folder != second.folder
    assert first.folder.parent == second.folder.parent
    visits.end("../a")
    visits.end("unknown")
    assert not first.folder.exists()
    assert second.folder.exists()


def test_closing_a_tab_stops_its_work_and_deletes_what_that_still_writes(visits):
    visit = visits.get("a")
    with visit.working(1) as work:
        visits.end("a")
        with pytest.raises(Stopped):
            work.check()
        visit.folder.mkdir()
        (visit.folder / "late.png").touch()
    assert not visit.folder.exists()


def test_files_that_are_gone_end_the_work_of_a_closed_tab_alone(visits):
    visit = visits.get("a")
    with pytest.raises(FileNotFoundError), visit.working(1):
        (visit.folder / "missing").read_bytes()
    visits.end("a")
    with pytest.raises(Stopped, match="closed"), visit.working(1):
        (visit.folder / "missing").read_bytes()


def test_a_visitor_stops_the_current_work(visits):
    visit = visits.get("a")
    visit.stop()
    with visit.working(1) as work:
        work.check()
        visit.stop()
        with pytest.raises(Stopped):
            work.check()


def test_a_visit_without_requests_for_hours_ends(visits, monkeypatch):
    first = visits.get("a")
    monkeypatch.setattr(module, "_IDLE_SECONDS", -1.0)
    with first.working(1):
        visits.get("b")
        assert first.folder.exists()
    visits.get("b")
    assert not first.folder.exists()
