"""What is drawn, read back from the figures' objects."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from benchmarks.metrics import ACCURACY
from experiments.records.runs import Floats, Runs
from experiments.reports.figures import (
    LEAST_WIDTH,
    MULTI_TRIAL,
    SKY_BLUE,
    STYLES,
    WEIGHT_SHARING,
    report_style,
    save,
    styles,
)
from experiments.reports.measures import Measure
from experiments.reports.sections.curves import Curve, Panel, View, curve_of, draw, views, write_figures
from experiments.reports.sections.pairwise import draw_matrix
from experiments.statistics.aggregates import Band, aggregate, regret
from experiments.statistics.inference import Comparison

ACCURATE = Measure(ACCURACY)
TEST, REGRET, LOG_TIME = View("score", False, ""), View("regret", False, ""), View("score", True, "")
OPTIMUM = 95.0
TIMES = np.array([0.0, 25.0, 50.0, 75.0, 100.0])
VALUES = np.array([[np.nan, 40, 90, 92, 92], [np.nan, np.nan, 80, 93, 93], [np.nan, 60, 91, 94, 94.5]])
"""Test percent, shape (runs, times): the second run answers later than the others."""
MEAN = 279.5 / 3  # at the end
TSS_METHODS, SSS_METHODS = [*WEIGHT_SHARING][:6], [*WEIGHT_SHARING][6:]
"""Weight-sharing methods that are drawn together."""


def curve(label: str, values: Floats = VALUES) -> Curve:
    return Curve(label, TIMES, aggregate(values, interval=True), aggregate(regret(OPTIMUM, values)))


def axes_of(*curves: Curve, view: View = TEST, band: Band = "iqr") -> Axes:
    """The only panel of a figure."""
    legend = {shown.label: f"{shown.label} (n = 3)" for shown in curves}
    (axes,) = draw([Panel("cifar10", 100.0, OPTIMUM, curves, ACCURATE)], legend, band, view).axes
    return axes


def line_of(axes: Axes, label: str) -> Line2D:
    return next(line for line in axes.lines if line.get_marker() == STYLES[label].marker)


def data(line: Line2D) -> tuple[list[float], list[float]]:
    return np.asarray(line.get_xdata()).tolist(), np.asarray(line.get_ydata()).tolist()


def test_an_algorithm_looks_the_same_in_every_report() -> None:
    assert styles(["bohb", "mine", "yours"])["bohb"] == styles(["bohb"])["bohb"] == STYLES["bohb"]
    others = styles(["d", "b", "a", "c", "random_search"])
    colours = [others[name].colour for name in "abcd"]
    assert colours == [SKY_BLUE, *(STYLES[name].colour for name in ("regularized_ea", "reinforce", "bohb"))]


@pytest.mark.parametrize(
    "labels",
    [
        [*MULTI_TRIAL],
        [*MULTI_TRIAL, "mine", "yours"],
        ["bohb", "a", "b", "c", "d"],
        [*MULTI_TRIAL, *TSS_METHODS],
        [*MULTI_TRIAL, *SSS_METHODS],
        [*TSS_METHODS, "mine"],
    ],
)
def test_every_line_differs_in_colour_marker_and_dashes(labels: list[str]) -> None:
    looks = styles(labels).values()
    for i in range(3):
        assert len({look[i] for look in looks}) == len(labels)


def test_studies_of_one_algorithm_share_its_colour_in_tints() -> None:
    labels = ["bohb", "regularized_ea (one)", "regularized_ea (other)", "mine (one)", "mine (other)"]
    looks = styles(labels)
    assert looks["regularized_ea (one)"] == STYLES["regularized_ea"]
    assert looks["regularized_ea (other)"].colour == "#80b9d8"
    for i in range(3):
        assert len({look[i] for look in looks.values()}) == len(labels)
    assert looks["mine (one)"].colour == styles(["bohb", "mine", "regularized_ea"])["mine"].colour


@pytest.mark.parametrize("name", ["bohb", "x" * 70])
def test_names_beside_a_matrix_leave_room_for_its_cells(name: str) -> None:
    labels = [name, f"{name} (other)"]
    with report_style():
        figure = draw_matrix(
            [Comparison("cifar10", *labels, 1.0, 0.7, 0.1, 0.1)], dict(zip(labels, labels, strict=True))
        )
        figure.draw_without_rendering()
        assert figure.axes[0].get_window_extent().width > 2.0 * figure.dpi
        for text in figure.axes[0].get_yticklabels():
            assert text.get_window_extent().x0 >= 0


def test_the_mean_is_drawn_once_every_run_has_an_answer() -> None:
    assert data(line_of(axes_of(curve("bohb")), "bohb")) == ([50, 75, 100], [87, 93, pytest.approx(MEAN)])
    assert data(line_of(axes_of(curve("bohb"), view=REGRET), "bohb"))[1] == [8, 2, pytest.approx(5.5 / 3)]


def test_a_run_that_never_answers_does_not_hide_the_others() -> None:
    lost = np.vstack([VALUES, np.full((1, 5), np.nan)])
    assert data(line_of(axes_of(curve("bohb", lost)), "bohb"))[0] == [50, 75, 100]


def test_an_algorithm_without_any_answer_is_in_the_legend_only() -> None:
    axes = axes_of(curve("bohb", np.full((3, 5), np.nan)), curve("reinforce"))
    assert data(line_of(axes, "bohb")) == ([], [])
    for view in (TEST, REGRET, LOG_TIME):
        assert np.isfinite(axes_of(curve("bohb", np.full((3, 5), np.nan)), view=view).get_ylim()).all()


@pytest.mark.parametrize(
    ("band", "edges"),
    [
        ("iqr", (92.5, 93.75)),
        ("std", (MEAN - 1.02740, MEAN + 1.02740)),
        ("sem", (MEAN - 0.72648, MEAN + 0.72648)),
        ("ci", (92, 94.5)),  # of three runs, 1 of 27 resamples is thrice the same: more than 2.5 %
    ],
)
def test_the_band_at_the_end(band: Band, edges: tuple[float, float]) -> None:
    lower, upper = (data(line)[1][-1] for line in axes_of(curve("bohb"), band=band).lines[:2])
    assert (lower, upper) == pytest.approx(edges, abs=1e-5)


def test_optimum_axes_and_lines_are_labelled() -> None:
    axes = axes_of(curve("bohb"), curve("reinforce"))
    assert [text.get_text() for text in axes.texts] == ["optimum 95.00"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("simulated seconds", "test accuracy (%)")
    assert axes.get_title() == "cifar10"
    (legend,) = axes.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["bohb (n = 3)", "reinforce (n = 3)"]
    assert axes_of(curve("bohb"), view=REGRET).get_ylabel() == "regret (percentage points)"


def test_without_an_optimum_the_axis_ends_above_the_curves_and_there_is_no_regret() -> None:
    unknown = Panel(
        "digits", 100.0, math.nan, [curve("bohb"), curve("reinforce", VALUES - 1)], ACCURATE, "measured seconds"
    )
    (axes,) = draw([unknown], {"bohb": "bohb", "reinforce": "reinforce"}, "iqr", TEST).axes
    assert not axes.texts
    assert axes.get_xlabel() == "measured seconds"
    bottom, top = axes.get_ylim()
    assert 91 < bottom < 92
    assert 93.75 < top < 95, "just above the upper quartile of the better one"
    known = Panel("cifar10", 100.0, OPTIMUM, [curve("bohb")], ACCURATE)
    assert [list(views(panels)) for panels in ([known], [unknown], [known, unknown])] == [
        ["incumbent", "log_regret", "incumbent_log_time", "log_regret_log_time"],
        ["incumbent", "incumbent_log_time"],
        ["incumbent", "incumbent_log_time"],
    ]


@pytest.mark.parametrize("name", ["a", "quite_a_long_name_of_an_algorithm", "x" * 70])
def test_the_legend_fits_into_the_figure(name: str) -> None:
    panels = [Panel("cifar10", 100.0, OPTIMUM, [curve("bohb")], ACCURATE)]
    figure = draw(panels, {"bohb": "bohb"} | {f"{name}{i}": f"{name}{i}" for i in range(3)}, "iqr", TEST)
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert len(legend.get_texts()) == 4
    extent = legend.get_window_extent()
    assert extent.x1 - extent.x0 <= figure.bbox.width
    assert figure.get_figwidth() == LEAST_WIDTH or len(name) == 70
    panel_extent = figure.axes[0].get_window_extent()
    assert panel_extent.y0 > extent.y1
    assert panel_extent.height > 2.2 * figure.dpi


def test_poor_first_architectures_do_not_squash_the_rest() -> None:
    times = np.linspace(0, 100, 201)
    poor_until_4 = np.where(times < 4, 10.0, 94.0)[None] - np.exp(-times)
    shown = Curve("bohb", times, aggregate(poor_until_4), aggregate(regret(OPTIMUM, poor_until_4)))
    bottom, top = axes_of(shown).get_ylim()
    assert 93 < bottom < 94
    assert OPTIMUM < top < OPTIMUM + 1
    assert axes_of(shown, view=REGRET).get_ylim()[1] < 2


def test_scales() -> None:
    assert axes_of(curve("bohb")).get_xlim() == (0, 100)
    assert axes_of(curve("bohb"), view=LOG_TIME).get_xlim() == (50, 100)
    assert axes_of(curve("bohb"), view=LOG_TIME).get_xscale() == "log"
    assert axes_of(curve("bohb"), view=REGRET).get_yscale() == "log"


def test_a_search_that_finds_the_optimum_is_drawn_on_the_logarithmic_axis() -> None:
    found = np.full((3, 5), OPTIMUM) - np.array([[1e-13], [0], [-1e-13]])  # up to rounding
    low, high = axes_of(curve("bohb", found), curve("reinforce"), view=REGRET).get_ylim()
    assert 0.1 < low < 5.5 / 3
    assert high > 2
    low, high = axes_of(curve("bohb", found), view=REGRET).get_ylim()
    assert 0 < low < high


def test_a_curve_samples_runs_over_the_budget() -> None:
    numbers, whole = np.array([1.0, 2.0]), np.array([1, 2], np.int32)
    runs = Runs(
        np.array([0], np.int32), np.array([0, 2]), whole, numbers, np.array([True, False]), whole, numbers,
        numbers, np.array([90.0, 99.0]),
    )  # fmt: skip
    shown = curve_of("bohb", runs, 3.0, OPTIMUM, "step")
    assert (shown.times[0], shown.times[-1]) == (0, 3)
    assert math.isnan(shown.score.mean[0])
    assert (shown.score.mean[-1], shown.regret.mean[-1]) == (90, 5)
    assert len(curve_of("bohb", runs, 3.0, OPTIMUM, "nats").times) == 150


def test_equal_figures_are_equal_files(tmp_path: Path) -> None:
    panels = [Panel("cifar10", 100.0, OPTIMUM, [curve("bohb")], ACCURATE)]
    with report_style():
        first, again = (save(draw(panels, {"bohb": "bohb"}, "iqr", TEST), tmp_path / name) for name in ("a", "b"))
    assert [path.suffix for path in first] == [".png", ".svg", ".pdf"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]


def test_the_legend_stands_where_a_panel_is_missing() -> None:
    panels = [Panel(name, 100.0, OPTIMUM, [curve("bohb")], ACCURATE) for name in ("a", "b", "c")]
    figure = draw(panels, {"bohb": "bohb (n = 3)"}, "iqr", TEST)
    figure.draw_without_rendering()
    (legend,) = figure.legends
    extent = legend.get_window_extent()
    assert extent.x0 > figure.axes[2].get_window_extent().x1
    assert extent.y1 < figure.axes[1].get_window_extent().y0
    wide = draw(panels, {"bohb": "b" * 60}, "iqr", TEST)
    assert wide.get_figheight() > figure.get_figheight(), "it does not fit there"


def test_the_users_own_style_is_neither_used_nor_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(rcParams, "svg.fonttype", "none")
    panels = [Panel("cifar10", 100.0, OPTIMUM, [curve("bohb")], ACCURATE)]
    write_figures(panels, {"bohb": "bohb"}, "iqr", tmp_path)
    assert "<text" not in (tmp_path / "incumbent.svg").read_text()
    assert rcParams["svg.fonttype"] == "none"
    assert rcParams["svg.hashsalt"] is None
