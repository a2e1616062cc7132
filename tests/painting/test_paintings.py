"""Small versions of the paintings: reproducible, colorful, with edges."""

import numpy as np
import pytest

from stylenet.painting import PAINTINGS

SIZE = 96


@pytest.mark.parametrize("name", PAINTINGS)
def test_a_painting_depends_on_its_seed_and_has_colors_and_edges(name):
    paint = PAINTINGS[name]
    image = paint(SIZE, 0)
    assert (image.mode, image.size) == ("RGB", (SIZE, SIZE))
    assert image.tobytes() == paint(SIZE, 0).tobytes()
    assert image.tobytes() != paint(SIZE, 1).tobytes()

    pixels = np.asarray(image, dtype=float)
    _, counts = np.unique((pixels // 32).reshape(-1, 3), axis=0, return_counts=True)
    assert (counts > 0.01 * SIZE**2).sum() >= 8  # colors that cover more than 1 %
    # A smooth gradient from black to white over the whole image has steps of 255 / 96 = 2.7.
    assert np.abs(np.diff(pixels, axis=0)).mean() > 6
    assert np.abs(np.diff(pixels, axis=1)).mean() > 6
    # Few empty areas: 90 % of the 8 x 8 patches have contrast.
    patches = pixels.mean(2).reshape(8, SIZE // 8, 8, SIZE // 8)
    assert (patches.std(axis=(1, 3)) > 4).mean() > 0.9


def test_a_painting_does_not_depend_on_the_global_random_state():
    np.random.seed(1)
    first = PAINTINGS["abstract"](48, 5)
    np.random.seed(2)
    assert first.tobytes() == PAINTINGS["abstract"](48, 5).tobytes()
