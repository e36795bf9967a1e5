"""The page of a report as HTML: as text, and in a real browser on a phone and on a wide screen."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from threading import Timer
from typing import Any, Self

import numpy as np
import pytest

from experiments.cli.run import main as nas_run
from experiments.reports.figures import add_legend, figure_for, report_style, save
from experiments.reports.html_page import html_page
from experiments.reports.tables import markdown
from experiments.reports.text import bullets, figure

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PHONE, WIDE = 390, 1440
"""Widths of a window, in CSS pixels."""
ALGORITHMS = ("random_search", "regularized_ea", "reinforce", "local_search")
DATASETS = ("cifar10", "cifar100", "ImageNet16-120")
FIGURES = {
    "test_accuracy": "Test accuracy over time",
    "log_regret": "Regret over time",
    "cell_gdas": "gdas: tss 1, derived by 2 of 3 runs",
}
COMPLAINTS = {"Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"}
"""Events of the console."""
POINT, SMALLEST_TEXT = 4 / 3, 10
"""CSS pixels; points, in the figures."""
CHANGES = 400
"""Of a curve, so that figures are a little larger than those of real studies of 50 runs."""
HOSTILE = "<script>alert(1)</script> <img src=x onerror=alert(1)> ![x](https://x.test/x.png) [x](javascript:alert(1))"


def a_page(name: str = "long_name_" * 12) -> str:
    """Markdown with all that reports have: figures, a wide table, lists, links, a study's name."""
    headers = ["algorithm", *(f"{dataset} {split} (%)" for dataset in DATASETS for split in ("validation", "test"))]
    rows = [[algorithm, *["93.90 ± 0.29"] * (len(headers) - 1)] for algorithm in ALGORITHMS]
    parts = [
        "# Architecture search on tss: made-up",
        "## Final results",
        markdown(headers, rows),
        "Full precision: [table.csv](table.csv); see [What was run](#what-was-run).",
        "## Curves",
        *(figure(file, caption) for file, caption in FIGURES.items()),
        "## What was run",
        f"### {name}",
        bullets([f"table: sha256: {'2d91a723' * 8}", f"of {name}"]),
        markdown(["algorithm", "options", "trials at"], [[name, "long: " + "|nor_conv_3x3~0" * 9, "12"]]),
    ]
    return "\n\n".join(parts) + "\n"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a report with as many curves, as long as real ones, and its page."""
    path = tmp_path_factory.mktemp("report")
    rng = np.random.default_rng(7)
    with report_style():
        drawn, panels = figure_for(len(DATASETS))
        for axes, name in zip(panels, ALGORITHMS, strict=False):
            axes.set(title=name, xlabel="simulated seconds", ylabel="test accuracy (%)")
            for low in range(len(ALGORITHMS)):
                times, mean = np.sort(rng.uniform(low, 9, (2, CHANGES)))
                axes.step(times, mean, where="post")
                axes.fill_between(times, mean - 1, mean + 1, step="post", alpha=0.15)
        add_legend(drawn, {name: f"{name} (n = 50)" for name in ALGORITHMS})
        files = save(drawn, path / "drawn")
    for name, file in product(FIGURES, files):
        shutil.copy(file, path / f"{name}{file.suffix}")
    (path / "report.html").write_text(html_page(a_page(), path), "utf-8")
    return path


@pytest.fixture(scope="module")
def html(directory: Path) -> str:
    return (directory / "report.html").read_text("utf-8")


class TestText:
    def test_holds_every_figure_with_its_caption(self, html: str) -> None:
        images = re.findall(r'<figure><div [^>]*><img src="data:image/svg\+xml;base64,[^"]+" alt="([^"]*)"', html)
        assert images == list(FIGURES.values())
        assert re.findall(r"<figcaption>(.*) \(<a", html) == images

    def test_is_smaller_than_5_mb(self, html: str) -> None:
        assert len(html.encode()) < 5_000_000

    def test_embeds_figures_as_pixels_where_room_is_short(
        self, directory: Path, monkeypatch: pytest.MonkeyPatch, html: str
    ) -> None:
        monkeypatch.setattr("experiments.reports.html_page.ROOM", 1000)
        pixels = html_page(a_page(), directory)
        assert pixels.count("data:image/png;base64,") == 3
        assert "image/svg" not in pixels
        sizes = r'width="(\d+)" height="(\d+)"'
        assert re.findall(sizes, pixels) == re.findall(sizes, html)

    def test_embeds_no_pixels_that_take_more(
        self, directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = shutil.copytree(directory, tmp_path / "report")
        heavy = path / f"{next(iter(FIGURES))}.png"
        heavy.write_bytes(heavy.read_bytes() + bytes(1_000_000))
        monkeypatch.setattr("experiments.reports.html_page.ROOM", 1000)
        assert re.findall(r'"data:image/(\w+)', html_page(a_page(), path)) == ["svg", "png", "png"]

    def test_embeds_the_largest_figure_as_pixels_and_no_more_than_it_must(
        self, directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, html: str
    ) -> None:
        path = shutil.copytree(directory, tmp_path / "report")
        longest = path / f"{list(FIGURES)[1]}.svg"
        longest.write_text(f"{longest.read_text()}<!-- {'the longest of all ' * 10_000} -->")
        drawn = sum(len(found) * 3 // 4 for found in re.findall(r"svg\+xml;base64,([^\"]+)", html))
        monkeypatch.setattr("experiments.reports.html_page.ROOM", drawn + 100_000)
        assert re.findall(r'"data:image/(\w+)', html_page(a_page(), path)) == ["svg", "png", "svg"]

    def test_refers_to_nothing_but_itself_and_files_beside_it(self, html: str) -> None:
        assert {source[:5] for source in re.findall(r'src="([^"]*)', html)} == {"data:"}
        files = {"table.csv", *(f"{name}.{kind}" for name in FIGURES for kind in ("svg", "pdf"))}
        sections = {"#final-results", "#curves", "#what-was-run"}
        assert set(re.findall(r'href="([^"]*)', html)) == {"data:,"} | files | sections
        assert "http:" not in html
        assert "https:" not in html
        assert "@import" not in html
        assert "url(" not in html

    def test_keeps_tables(self, html: str) -> None:
        assert html.count("<table>") == html.count("</table>\n</div>") == 2
        assert html.count("<th ") == 7 + 3
        assert html.count('<td style="text-align:right">93.90 ± 0.29</td>') == 6 * len(ALGORITHMS)

    def test_sections_with_one_name_have_ids_of_their_own(self, directory: Path) -> None:
        html = html_page("# A\n\n## B\n\n## B\n\n## B-1\n\n## ?\n", directory)
        assert re.findall(r'<h2 id="([^"]*)"', html) == ["b", "b-1", "b-1-1", ""]

    def test_names_out_of_records_stay_text(self, directory: Path) -> None:
        html = html_page(a_page(HOSTILE), directory)
        assert "<script" not in html
        assert html.count("<img") == 3
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
        assert not re.search(r'(src|href)="(?!data:|#|[\w.]+")', html)
        assert "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline';" in html

    def test_an_image_that_is_not_there_is_its_caption(self, directory: Path) -> None:
        html = html_page("# A\n\n![of nothing](nothing.png)\n\nMore.\n", directory)
        assert "<img" not in html
        assert "<p>of nothing</p>" in html

    def test_equal_input_gives_equal_output(self, directory: Path, html: str) -> None:
        assert html_page(a_page(), directory) == html


class Browser:
    """A headless one, driven through the DevTools protocol over pipes; ended after two minutes, whatever happens."""

    OPTIONS = (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic",
        "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--hide-scrollbars", "--remote-debugging-pipe",
    )  # fmt: skip
    PIPES = 'exec "$@" 3<&0 4>&1 </dev/null >&2'
    """Shell: the protocol wants commands at descriptor 3, and answers at 4."""

    def __init__(self, program: str, profile: Path):
        self.process = subprocess.Popen(
            ["sh", "-c", self.PIPES, "sh", program, *self.OPTIONS, f"--user-data-dir={profile}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.timer = Timer(120, self.process.kill)
        self.messages = self._read()
        self.events: list[dict[str, Any]] = []
        self.session: dict[str, str] = {}
        self.sent = 0

    def __enter__(self) -> Self:
        self.timer.start()
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.session = {"sessionId": session}
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, *_: object) -> None:
        self.timer.cancel()
        self.process.kill()
        self.process.communicate()

    def _read(self) -> Iterator[dict[str, Any]]:
        """Messages as they come."""
        assert self.process.stdout
        begun = b""
        while some := os.read(self.process.stdout.fileno(), 1 << 16):
            *whole, begun = (begun + some).split(b"\0")
            yield from map(json.loads, whole)
        raise RuntimeError("the browser has ended")

    def wait_for(self, key: str, value: object) -> dict[str, Any]:
        """The next message that has this value; events before it are kept."""
        for message in self.messages:
            if "method" in message:
                self.events.append(message)
            if message.get(key) == value:
                return message
        raise AssertionError

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        self.sent += 1
        command = {"id": self.sent, "method": method, "params": parameters, **self.session}
        assert self.process.stdin
        self.process.stdin.write(json.dumps(command).encode() + b"\0")
        self.process.stdin.flush()
        answer = self.wait_for("id", self.sent)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, page: Path, width: int, scheme: str = "light") -> None:
        """Return when all is loaded; `events` are those of this page."""
        self.events.clear()
        screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **screen)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Page.navigate", url=page.as_uri())
        self.wait_for("method", "Page.loadEventFired")

    def value(self, expression: str) -> Any:
        """Of JavaScript in the page."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"]["value"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is installed")
    with Browser(program, tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module", params=[PHONE, WIDE])
def width(request: pytest.FixtureRequest, browser: Browser, directory: Path) -> int:
    """Of the window that shows the page."""
    width: int = request.param
    browser.open(directory / "report.html", width)
    return width


@pytest.mark.usefixtures("width")
class TestInABrowser:
    def test_is_quiet_and_fetches_nothing(self, browser: Browser, directory: Path) -> None:
        assert [event for event in browser.events if event["method"] in COMPLAINTS] == []
        requests = [event["params"]["request"]["url"] for event in browser.events
                    if event["method"] == "Network.requestWillBeSent"]  # fmt: skip
        assert [url for url in requests if not url.startswith("data:")] == [(directory / "report.html").as_uri()]

    def test_does_not_scroll_sideways_as_a_whole(self, browser: Browser, width: int) -> None:
        assert browser.value("innerWidth") == width
        assert browser.value("document.documentElement.scrollWidth") <= width

    def test_shows_every_figure_large_enough_to_read(self, browser: Browser) -> None:
        scales = browser.value(
            "[...document.images].map(image => image.naturalWidth && image.clientWidth / image.getAttribute('width'))"
        )
        assert len(scales) == 3
        assert min(scales) * POINT * SMALLEST_TEXT > 8.9

    def test_shows_text_large_enough_to_read(self, browser: Browser) -> None:
        sizes = browser.value(
            "[...document.querySelectorAll('p, li, td')].map(text => parseFloat(getComputedStyle(text).fontSize))"
        )
        assert min(sizes) > 14
        assert browser.value("parseFloat(getComputedStyle(document.body).fontSize)") >= 16

    def test_shows_its_headings_and_links_to_them(self, browser: Browser) -> None:
        headings = browser.value("[...document.querySelectorAll('h1, h2')].map(heading => heading.innerText)")
        assert headings == ["Architecture search on tss: made-up", "Final results", "Curves", "What was run"]
        found = "[...document.querySelectorAll('nav a')].map(link => document.querySelector(link.hash).innerText)"
        assert browser.value(found) == headings[1:]

    def test_keeps_names_in_sight_as_a_table_scrolls(self, browser: Browser, width: int) -> None:
        name = "[...document.querySelectorAll('.box')].at(-1).querySelector('td')"
        browser.value(f"{name}.closest('.box').scrollLeft = 1e6")
        assert browser.value(f"{name}.getBoundingClientRect().left") >= 0
        assert browser.value(f"{name}.getBoundingClientRect().right") < width * 0.6  # as long as it is


def test_figures_are_on_white_in_dark_mode(browser: Browser, directory: Path) -> None:
    browser.open(directory / "report.html", WIDE, "dark")
    colour = "getComputedStyle(document.querySelector('{}')).backgroundColor"
    assert browser.value(colour.format("figure .box")) == "rgb(255, 255, 255)"
    assert browser.value(colour.format("body")) == "rgb(22, 24, 27)"


@pytest.fixture(scope="module")
def whole_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of all multi-trial algorithms on the table that comes with the package, as the command writes it."""
    out = tmp_path_factory.mktemp("searches") / "digits"
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("NAS_BENCH_HOME", "TORCH_HOME"):
            patch.setenv(variable, str(tmp_path_factory.mktemp("empty")))
        algorithms = [*ALGORITHMS, "hyperband", "bohb"]
        argv = ["--algo", *algorithms, "--space", "tss", "--runs", "5", "--out", str(out), "--report"]
        assert nas_run(argv) == 0
    return out / "report" / "report.html"


def test_a_whole_report_is_smaller_than_5_mb(whole_report: Path) -> None:
    assert whole_report.stat().st_size < 5e6


@pytest.mark.parametrize("width", [PHONE, WIDE])
def test_a_whole_report_is_quiet_and_readable(width: int, browser: Browser, whole_report: Path) -> None:
    browser.open(whole_report, width)
    assert [event for event in browser.events if event["method"] in COMPLAINTS] == []
    assert browser.value("document.documentElement.scrollWidth") <= width
    figures = browser.value("[...document.images].map(image => [image.alt, image.naturalWidth, image.clientWidth])")
    assert len(figures) >= 8
    assert all(natural > 0 and shown > 300 for _, natural, shown in figures), figures
