"""Vector drawings that follow the reader's light or dark theme, inside a page or as files of their own."""

from __future__ import annotations

from dataclasses import dataclass

from multimodel.report.markup import Markup, element

LIGHT = ("#1f5fbf", "#c8480a", "#2b8a3e", "#8e36b0", "#c2255c", "#0b7285", "#8a6100", "#5c636a")
DARK = ("#7fb0f8", "#ff9f66", "#72cf85", "#d79aec", "#f78fb3", "#55c8da", "#e3b84d", "#bcc3ca")
HUES = len(LIGHT)
NARROWEST = 700  # pixels in which a drawing can still be read


def _hues(colours: tuple[str, ...]) -> str:
    return "".join(f".drawing .hue{number}{{color:{colour}}}" for number, colour in enumerate(colours))


STYLE = Markup(
    ".drawing{color:#1f2328;font-family:system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;font-size:12px}"
    ".drawing text{fill:currentColor}.drawing .faint{opacity:.75}"
    ".drawing .rule{stroke:currentColor;stroke-opacity:.16;fill:none}"
    ".drawing .curve{stroke:currentColor;stroke-width:2;fill:none;stroke-linejoin:round}"
    ".drawing .dashed{stroke-dasharray:5 3}.drawing .lead{stroke:currentColor;stroke-opacity:.5;fill:none}"
    ".drawing .heat{shape-rendering:crispEdges;color:#1f5fbf;fill:currentColor}"
    ".drawing .frame{fill:none;stroke:currentColor;stroke-opacity:.3}"
    ".drawing .branch{stroke:currentColor;stroke-opacity:.5;fill:none}.drawing .word{font-style:italic}"
    ".drawing .label{font-weight:600}.drawing .wrong{color:#b3261e}.drawing .right{color:#1b6e2f}"
    f"{_hues(LIGHT)}"
    "@media screen and (prefers-color-scheme:dark){"
    ".drawing{color:#e6e9ec}.drawing .heat{color:#7fb0f8}.drawing .wrong{color:#ff9188}.drawing .right{color:#7ad190}"
    f"{_hues(DARK)}}}"
)


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A drawing in its own coordinates; `about` is what a reader who cannot see it is told."""

    width: float
    height: float
    about: str
    content: Markup

    def inline(self) -> Markup:
        """For a page that holds `STYLE`; never narrower than its text can be read, so its box may have to scroll."""
        return element(
            "svg",
            element("title", self.about),
            self.content,
            class_="drawing",
            role="img",
            viewBox=f"0 0 {self.width:.0f} {self.height:.0f}",
            style=f"width:100%;min-width:{min(self.width, NARROWEST):.0f}px;max-width:{self.width:.0f}px",
        )

    def standalone(self) -> str:
        """The text of an SVG file."""
        return element(
            "svg",
            element("title", self.about),
            element("style", STYLE),
            self.content,
            xmlns="http://www.w3.org/2000/svg",
            class_="drawing",
            role="img",
            viewBox=f"0 0 {self.width:.0f} {self.height:.0f}",
            width=self.width,
            height=self.height,
        )


def text(x: float, y: float, content: object, *, anchor: str = "start", class_: str | None = None) -> Markup:
    """A line of text whose middle is at height `y`."""
    return element("text", content, x=x, y=y, text_anchor=anchor, dominant_baseline="central", class_=class_)


def hue(number: int) -> str:
    """The class of the n-th colour."""
    return f"hue{number % HUES}"
