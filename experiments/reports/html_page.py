"""The page of a report as one HTML file that needs no network: its Markdown rendered, with all figures embedded.

Text from records stays text: HTML is shown as written, and only references to a section of the page or to a file next
to it become links. The page's own policy forbids the browser to fetch anything.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

LOCAL = re.compile(r"#[\w-]+|[\w-]+(\.[\w-]+)+")
"""A reference to a section of the page, or to a file next to it."""
ROOM = 3_500_000
"""Largest total size of all figures in bytes, beyond which the largest drawings become pixels: encoded, a third larger,
they keep the page below 5 MB."""
SVG_SIZE = re.compile(r'<svg\b[^>]*? width="([\d.]+)pt" height="([\d.]+)pt"')
"""Width and height in points, as matplotlib writes them."""
SVG_PATH = re.compile(r' d="[^"]*"')
MORE_DECIMALS = re.compile(r"(\.\d\d)\d+")
"""Decimals of a coordinate after the second: a quarter of a figure's size, and invisible."""
PIXELS_PER_POINT = 4 / 3  # of CSS
BOX: dict[str, str | int | float] = {"class": "box", "tabindex": 0}
"""Attributes of an element that scrolls, with the keyboard too."""
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
STYLE = Path(__file__).with_name("page.css")
PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<header>
{header}</header>
{contents}<main>
{main}</main>
</body>
</html>
"""


class _Parser(MarkdownIt):
    """CommonMark with tables, without HTML and without links to other places."""

    def __init__(self) -> None:
        super().__init__("commonmark", {"html": False})
        self.enable("table")

    def validateLink(self, url: str) -> bool:  # noqa: N802
        return LOCAL.fullmatch(url) is not None


def html_page(markdown: str, directory: Path) -> str:
    """Render the page as HTML; equal input gives equal output.

    Args:
        markdown: begins with its title, a first-level heading. An image alone in a paragraph is a figure, and the next
            paragraph is its caption.
        directory: the directory of the figures as SVG and PNG.
    """
    parser = _Parser()
    tokens = parser.parse(markdown)
    sections = _name_sections(tokens)
    drawings = _drawings(directory, (child for token in tokens for child in token.children or ()))
    for token in tokens:
        token.children = [_embedded(child, directory, drawings) for child in token.children or ()]
    _join_captions(tokens)
    for token in tokens:
        token.children = _boxed(token.children or ())
    title, body = tokens[:3], _boxed(tokens[3:])
    return PAGE.format(
        policy=POLICY,
        title=escape(_text(title[1])),
        style=STYLE.read_text("utf-8"),
        header=parser.renderer.render(title, parser.options, {}),
        contents=_contents(sections),
        main=parser.renderer.render(body, parser.options, {}),
    )


def _name_sections(tokens: Sequence[Token]) -> dict[str, str]:
    """Give each heading the id that GitHub gives it, so that links to sections work in both; return id -> text of the
    second-level ones."""
    taken: set[str] = set()
    sections = {}
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            slug = re.sub(r"[^\w -]", "", _text(inline).lower()).replace(" ", "-")
            names = (slug, *(f"{slug}-{i}" for i in range(1, len(taken) + 1)))
            name = next(name for name in names if name not in taken)
            taken.add(name)
            opening.attrSet("id", name)
            if opening.tag == "h2":
                sections[name] = _text(inline)
    return sections


def _text(inline: Token) -> str:
    """The text without its markup."""
    return "".join(child.content for child in inline.children or ())


def _contents(sections: dict[str, str]) -> str:
    links = "".join(f'<li><a href="#{name}">{escape(text)}</a></li>\n' for name, text in sections.items())
    return f'<nav aria-label="Contents">\n<ul>\n{links}</ul>\n</nav>\n' if links else ""


def _join_captions(tokens: list[Token]) -> None:
    """Turn each paragraph that is an image, with the paragraph after it, into a figure and its caption."""
    for i, token in enumerate(tokens):
        pictured = [child.type for child in token.children or ()] == ["image"]
        if pictured and [after.type for after in tokens[i + 1 : i + 3]] == ["paragraph_close", "paragraph_open"]:
            tokens[i - 1].tag = "figure"
            tokens[i + 1].hidden = True
            tokens[i + 2].tag = tokens[i + 4].tag = "figcaption"
            tokens.insert(i + 5, Token("figure_close", "figure", -1, block=True))


def _drawings(directory: Path, tokens: Iterable[Token]) -> dict[Path, str]:
    """The SVG of each figure, to 0.01 points, without those for which pixels save most if they exceed ROOM."""
    sources = [(directory / str(token.attrs["src"])).with_suffix(".svg") for token in tokens if token.type == "image"]
    drawings = {
        path: SVG_PATH.sub(lambda lines: MORE_DECIMALS.sub(r"\1", lines[0]), path.read_text("utf-8"))
        for path in sources
        if path.is_file()
    }
    size = sum(map(len, drawings.values()))
    if size <= ROOM:
        return drawings
    saved = {path: len(drawing) - path.with_suffix(".png").stat().st_size for path, drawing in drawings.items()}
    for path in sorted(drawings, key=lambda path: -saved[path]):
        if size > ROOM and saved[path] > 0:
            size -= saved[path]
            del drawings[path]
    return drawings


def _embedded(token: Token, directory: Path, drawings: Mapping[Path, str]) -> Token:
    """Replace the name of an image by the figure itself; return other tokens unchanged."""
    if token.type != "image":
        return token
    vector = (directory / str(token.attrs["src"])).with_suffix(".svg")
    if not vector.is_file():
        return Token("text", "", 0, content=token.content)
    size = SVG_SIZE.search(drawings.get(vector) or vector.read_text("utf-8"))
    assert size, f"{vector} has no size in points"
    width, height = (round(float(points) * PIXELS_PER_POINT) for points in size.groups())
    if vector in drawings:
        data, kind = drawings[vector].encode(), "svg+xml"
    else:
        data, kind = vector.with_suffix(".png").read_bytes(), "png"
    source = f"data:image/{kind};base64,{b64encode(data).decode()}"
    token.attrs |= {"src": source, "width": width, "height": height, "style": f"--natural: {width}px"}
    return token


def _boxed(tokens: Iterable[Token]) -> list[Token]:
    """Put each table and image into a box that scrolls by itself, so that the page need not."""
    boxed = []
    for token in tokens:
        if token.type in ("table_open", "image"):
            boxed.append(Token("box_open", "div", 1, attrs=dict(BOX)))
        boxed.append(token)
        if token.type in ("table_close", "image"):
            boxed.append(Token("box_close", "div", -1))
    return boxed
