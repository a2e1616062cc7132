import pytest

from stylenet.cli import optimize as command


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ("content=nowhere.jpg", "nowhere.jpg: no such file"),
        ("content=broken.jpg", "broken.jpg is not an image"),
        ("output=out.xyz", "out.xyz"),
        ("size=8", "needs at least 16"),
        ("size=big", "size=big is not a whole number"),
        ("size=-3", "size=-3 is not a whole number"),
        ("steps=0", "steps=0 is not a whole number of at least 1"),
        ("method=newton", "method=newton is unknown; choose one of lbfgs, adam"),
        ("start=style", "start=style is unknown; choose one of content, noise"),
        ("scales=3", "scales=3 begins with a side of less than 16"),
        ("lr=0", "lr=0 is not a number above 0"),
        ("history=0", "history=0 is not a whole number"),
        ("seed=-1", "seed=-1 is not a whole number"),
        ("preserve_color=chroma", "preserve_color=chroma is unknown"),
        ("preview_every=0", "preview_every=0 is not a whole number"),
        ("quality=0", "quality=0 is not a whole number"),
        ("resume=later", "resume=later is neither true nor false"),
        ("device=abacus", "device=abacus is not available"),
        ("style.image=nowhere.png", "style.image=nowhere.png"),
        ("style.image_weights=[1,2]", "2 numbers for 1 images"),
        ("loss.style.layers=[relu9_9]", "no layer relu9_9"),
        ("loss.style.weight=1e300", "the loss of the image to start with is inf"),
        ("sise=3", "unknown option sise, did you mean size"),
        ("output=photo.jpg/out.png", "cannot write output="),
        ("output=photo.jpg/out.png steps=100000000", "cannot write output="),  # before any work
        ("output=photo.jpg steps=100000000", "is the input itself"),
        ("output=out.webp quality=101 steps=100000000", "quality=101 is not a whole number"),
        ("seed=99999999999999999999", "at most 9,223,372,036,854,775,807"),
        ("size=64 scales=2 style.size=16", "style.image has 10x8 pixels at the first of 2 scales"),
    ],
)
def test_a_mistake_ends_in_one_line(optimize, small_folder, mistake, message):
    (small_folder / "broken.jpg").write_text("no image")
    before = names(small_folder)
    assert message in optimize(*mistake.split()).error
    assert names(small_folder) == before


def test_a_history_larger_than_memory_is_refused_before_the_first_step(optimize, monkeypatch):
    monkeypatch.setattr(command, "free_memory", lambda device: 10_000)
    assert "32x24 pixels take 0.0 GiB" in optimize().error
    assert optimize("method=adam").status == 0


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't allocate memory")])
def test_running_out_of_memory_ends_in_one_line(optimize, small_folder, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(command, "Optimization", fail)
    assert "does not fit into memory" in optimize().error
    assert "out.png" not in names(small_folder)


def test_other_errors_are_not_reported_as_memory_errors(optimize, monkeypatch):
    def fail(*_):
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(command, "Optimization", fail)
    with pytest.raises(RuntimeError, match="of ours"):
        optimize()
