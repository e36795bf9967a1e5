"""What is drawn, read back from the figures' objects, and the files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, PathPatch, Rectangle
from matplotlib.transforms import Bbox

from benchmarks.errors import InputError
from benchmarks.spaces import Arch
from benchmarks.spaces.tss import EDGES, OPERATIONS
from experiments.reports.drawings.painters import draw_architecture, write_drawings
from experiments.reports.drawings.tss import DEAD, DEAD_CAPTION, LABELS, LOOKS, draw_cell
from experiments.reports.figures import SKY_BLUE, STYLES

NONE, SKIP, CONV_1X1, CONV_3X3, POOL = range(5)
MIXED: Arch = (CONV_3X3, NONE, SKIP, POOL, CONV_1X1, SKIP)
"""Only edge 2<-0 does not matter."""
DEAD_ENDS: Arch = (NONE, SKIP, CONV_3X3, CONV_1X1, POOL, NONE)
"""Only edge 3<-0 matters: nothing reaches node 1, and node 2 reaches nothing."""


def axes_of(arch: Arch, inches: tuple[float, float] = (8, 4)) -> Axes:
    axes = Figure(inches).add_axes((0, 0, 1, 1))
    draw_cell(axes, arch)
    axes.figure.draw_without_rendering()
    return axes


def shafts(axes: Axes) -> list[PathPatch]:
    return [patch for patch in axes.patches if isinstance(patch, PathPatch)]


def labels(axes: Axes) -> list[FancyBboxPatch]:
    return [patch for patch in axes.patches if isinstance(patch, FancyBboxPatch)]


def nodes(axes: Axes) -> list[Circle]:
    return [patch for patch in axes.patches if isinstance(patch, Circle)]


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def colours(axes: Axes) -> list[str]:
    return [to_hex(shaft.get_edgecolor()).upper() for shaft in shafts(axes)]


def points(axes: Axes, shaft: PathPatch) -> np.ndarray:
    """Pixels along an arrow, shape (points, 2)."""
    start, first, second, end = shaft.get_path().transformed(shaft.get_transform()).vertices
    t = np.linspace(0, 1, 200)[:, None]
    return (1 - t) ** 3 * start + 3 * t * (1 - t) ** 2 * first + 3 * t**2 * (1 - t) * second + t**3 * end


def test_each_edge_is_an_arrow_from_its_source_to_its_target_with_its_operation() -> None:
    axes = axes_of(MIXED)
    assert texts(axes) == [*(LABELS[OPERATIONS[choice]] for choice in MIXED), "input", "1", "2", "output"]
    centres = np.array([node.get_center() for node in nodes(axes)])
    assert (np.diff(centres[:, 0]) > 0).all()
    for (target, source), shaft, label, text in zip(EDGES, shafts(axes), labels(axes), axes.texts, strict=False):
        ends = shaft.get_path().vertices[[0, -1]]
        distances = np.linalg.norm(ends[:, None] - centres, axis=2)  # (end of the arrow, node)
        assert distances.argmin(axis=1).tolist() == [source, target]
        assert distances[0, source] == pytest.approx(nodes(axes)[0].radius)
        box = label.get_window_extent()
        assert box.contains(*text.get_transform().transform(text.get_position()))
        assert np.linalg.norm(points(axes, shaft) - (box.p0 + box.p1) / 2, axis=1).min() < 4


@pytest.mark.parametrize("inches", [(8, 4), (4, 4), (5, 1.5)])
@pytest.mark.parametrize("operation", range(5))
def test_nothing_overlaps_or_leaves_the_picture(operation: int, inches: tuple[float, float]) -> None:
    axes = axes_of((operation,) * 6, inches)
    boxes = [label.get_window_extent() for label in labels(axes)]
    circles = [node.get_window_extent() for node in nodes(axes)]
    for i, box in enumerate(boxes):
        assert not box.count_overlaps([*boxes[:i], *boxes[i + 1 :], *circles])
        text = axes.texts[i].get_window_extent()
        assert Bbox.union([box, text]).bounds == pytest.approx(box.bounds), "a label is larger than its frame"
        for j, shaft in enumerate(shafts(axes)):
            inside = box.padded(2).contains
            assert i == j or not any(inside(x, y) for x, y in points(axes, shaft))
    whole = axes.figure.bbox
    drawn = Bbox.union([artist.get_window_extent() for artist in (*axes.patches, *axes.texts)])
    assert whole.x0 <= drawn.x0 < drawn.x1 <= whole.x1
    assert whole.y0 <= drawn.y0 < drawn.y1 <= whole.y1


def test_arrows_do_not_cross() -> None:
    axes = axes_of((CONV_3X3,) * 6)
    curves = [points(axes, shaft) for shaft in shafts(axes)]
    for i, curve in enumerate(curves):
        for other in curves[:i]:
            assert np.linalg.norm(curve[:, None] - other, axis=2).min() > 10  # pixels


def test_every_operation_has_a_colour_of_the_reports() -> None:
    looks = [LOOKS[operation].colour for operation in OPERATIONS]
    assert len(set(looks)) == 5
    assert set(looks[1:]) <= {SKY_BLUE, *(style.colour for style in STYLES.values())}
    assert colours(axes_of(MIXED)) == [LOOKS[OPERATIONS[choice]].colour for choice in MIXED]


def test_only_none_is_dashed() -> None:
    axes = axes_of(MIXED)
    for patches in (shafts(axes), labels(axes)):
        assert [patch.get_linestyle() != "-" for patch in patches] == [choice == NONE for choice in MIXED]


def test_what_does_not_matter_is_grey_and_explained() -> None:
    axes = axes_of(DEAD_ENDS)
    none, dead = LOOKS["none"].colour, DEAD.colour
    assert colours(axes) == [none, dead, dead, LOOKS["nor_conv_1x1"].colour, dead, none]
    grey = [to_hex(node.get_edgecolor()).upper() == dead for node in nodes(axes)]
    assert grey == [False, True, True, False]
    assert DEAD_CAPTION in texts(axes)
    assert DEAD_CAPTION not in texts(axes_of(MIXED))


def test_the_caption_keeps_clear_of_the_arrows() -> None:
    axes = axes_of(DEAD_ENDS)
    (caption,) = (text.get_window_extent() for text in axes.texts if text.get_text() == DEAD_CAPTION)
    assert not caption.count_overlaps([label.get_window_extent() for label in labels(axes)])
    assert not any(caption.contains(x, y) for shaft in shafts(axes) for x, y in points(axes, shaft))
    assert caption.x0 >= 0
    assert caption.y0 >= 0


def test_text_grows_with_the_axes() -> None:
    large, small = (axes_of(MIXED, inches).texts[0].get_fontsize() for inches in ((8, 4), (4, 2)))
    assert large == pytest.approx(2 * small)
    assert large == pytest.approx(11, abs=1)


@pytest.mark.parametrize(("space", "arch"), [("tss", (POOL,) * 6), ("tss", (NONE,) * 6), ("sss", (7,) * 5)])
def test_the_title_is_index_and_string_and_fits(space: str, arch: Arch) -> None:
    strings = {
        (POOL,) * 6: (
            "tss 7581",
            "|avg_pool_3x3~0|+|avg_pool_3x3~0|avg_pool_3x3~1|+|avg_pool_3x3~0|avg_pool_3x3~1|avg_pool_3x3~2|",
        ),
        (NONE,) * 6: ("tss 1651", "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"),
        (7,) * 5: ("sss 32767", "64:64:64:64:64"),
    }
    figure = draw_architecture(space, arch)
    assert tuple(text.get_text() for text in figure.texts) == strings[arch]
    figure.draw_without_rendering()
    title, string = (text.get_window_extent() for text in figure.texts)
    assert title.y0 > string.y1
    assert figure.bbox.x0 < string.x0 < string.x1 < figure.bbox.x1
    assert string.y0 > max(label.get_window_extent().y1 for label in labels(figure.axes[0]))


def test_a_size_is_drawn_as_bars_beside_the_fixed_cell() -> None:
    cell, ladder = draw_architecture("sss", (0, 1, 7, 3, 4)).axes
    bars = [patch for patch in ladder.patches if isinstance(patch, Rectangle)]
    assert [bar.get_height() for bar in bars] == [8, 16, 64, 32, 40]
    assert [text for text in texts(ladder) if text.isdecimal()] == ["8", "16", "64", "32", "40"]
    assert [text for text in texts(ladder) if text in ("cell", "reduction")] == ["cell", "reduction"] * 2 + ["cell"]
    assert texts(cell)[:6] == ["3×3 conv", "3×3 conv", "3×3 conv", "skip", "3×3 conv", "3×3 conv"]


def test_the_largest_size_fits_below_its_heading() -> None:
    figure = draw_architecture("sss", (7,) * 5)
    figure.draw_without_rendering()
    _, ladder = figure.axes
    heading, *others = (text.get_window_extent() for text in ladder.texts)
    bars = [patch.get_window_extent() for patch in ladder.patches]
    assert not heading.count_overlaps([*bars, *others])
    names = [text.get_window_extent() for text in ladder.texts if not text.get_text().isdecimal()]
    assert not any(name.count_overlaps(bars) for name in names)
    assert heading.y1 < figure.texts[1].get_window_extent().y0


def test_each_format_is_written_as_its_suffix_says(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.png", "a.svg", "a.pdf", "A.PNG")]
    write_drawings("tss", MIXED, paths)
    starts = [path.read_bytes()[:5] for path in paths]
    assert starts == [b"\x89PNG\r", b"<?xml", b"%PDF-", b"\x89PNG\r"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in paths)


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_equal_architectures_are_equal_files(suffix: str, tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.{suffix}" for name in ("one", "two", "other")]
    for path in paths[:2]:
        write_drawings("tss", MIXED, [path])
    write_drawings("tss", DEAD_ENDS, paths[2:])
    one, two, other = (path.read_bytes() for path in paths)
    assert one == two != other


@pytest.mark.parametrize("name", ["a.jpg", "png", "a", ".png"])
def test_nothing_is_written_if_one_suffix_is_unknown(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a drawing is a file \*\.png, \*\.svg, \*\.pdf, got '.*" + name):
        write_drawings("tss", MIXED, [tmp_path / "a.png", tmp_path / name])
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_is_an_input_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.png").mkdir()
    for path in (tmp_path / "file" / "a.png", tmp_path / "absent" / "a.png", tmp_path / "folder.png"):
        with pytest.raises(InputError, match=f"cannot write {path} "):
            write_drawings("tss", MIXED, [path])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.png"]


def test_a_drawing_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    path.write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match="No space left on device"):
        write_drawings("tss", MIXED, [path])
    assert path.read_text() == "old"


def test_bad_architectures_and_spaces_are_input_errors() -> None:
    with pytest.raises(InputError, match="6 decisions"):
        axes_of((0, 1))
    with pytest.raises(InputError, match=r"0\.\.4, got 5"):
        draw_architecture("tss", (5,) * 6)
    with pytest.raises(InputError, match="did you mean 'tss'"):
        draw_architecture("ts", MIXED)


def test_the_users_own_style_is_neither_used_nor_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_drawings("tss", MIXED, [tmp_path / "before.png"])
    monkeypatch.setitem(rcParams, "text.color", "red")
    monkeypatch.setitem(rcParams, "font.family", ["monospace"])
    write_drawings("tss", MIXED, [tmp_path / "after.png"])
    assert (tmp_path / "before.png").read_bytes() == (tmp_path / "after.png").read_bytes()
    assert rcParams["font.family"] == ["monospace"]


def test_drawing_cells_does_not_import_torch() -> None:
    code = "import sys; from experiments.reports.drawings import painters; painters.draw_architecture('tss', (0,) * 6)"
    command = [sys.executable, "-c", f"{code}; assert 'torch' not in sys.modules"]
    subprocess.run(command, check=True, capture_output=True, text=True)
