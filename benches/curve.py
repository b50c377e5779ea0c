"""The cost curve as SVG: time and peak of memory against entries, both axes logarithmic.

The colours stand on white and on black alike; text and lines follow the reader's scheme.
"""

import math

WIDTH, HEIGHT = 960, 540
SERIES = [
    ("python", "Python chain", "#c2571a"),
    ("sqlite", "SQLite, read and hash", "#8a63d2"),
    ("sha256sum", "sha256sum", "#808080"),
    ("openssl", "openssl dgst", "#2e8b57"),
    ("althing", "Althing replay", "#2374d6"),
]
STYLE = """<style>
text { font-family: Inter, 'Helvetica Neue', Arial, 'Liberation Sans', sans-serif; fill: #222222 }
.soft { fill: #6b6b6b }
.grid { stroke: #dddddd; stroke-width: 1 }
.page { fill: #ffffff }
@media (prefers-color-scheme: dark) {
  text { fill: #eeeeee } .soft { fill: #a5a5a5 } .grid { stroke: #3a3a3a } .page { fill: #0d1117 }
}
</style>"""


def text(x, y, words, size=14, anchor="start", css="", weight=400, fill=""):
    colour = f' style="fill:{fill}"' if fill else ""
    kind = f' class="{css}"' if css else ""
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" '
            f'text-anchor="{anchor}"{kind}{colour}>{words}</text>')


def whole(number):
    powers = "⁰¹²³⁴⁵⁶⁷⁸⁹"
    return f"10{powers[round(math.log10(number))]}"


class Panel:
    """A pair of logarithmic axes."""

    def __init__(self, left, right, sizes, low, high):
        self.left, self.right, self.top, self.bottom = left, right, 130, 450
        self.sizes, self.low, self.high = sizes, low, high

    def x(self, size):
        first, last = math.log10(self.sizes[0]), math.log10(self.sizes[-1])
        share = (math.log10(size) - first) / ((last - first) or 1)
        return self.left + share * (self.right - self.left)

    def y(self, value):
        low, high = math.log10(self.low), math.log10(self.high)
        share = (math.log10(value) - low) / (high - low)
        return self.bottom - share * (self.bottom - self.top)

    def frame(self, title, label):
        parts = [text(self.left, self.top - 18, title, 15, weight=600)]
        value = self.low
        while value <= self.high * 1.001:
            y = self.y(value)
            parts.append(f'<line class="grid" x1="{self.left}" y1="{y:.1f}" x2="{self.right}" y2="{y:.1f}"/>')
            parts.append(text(self.left - 8, y + 4.5, label(value), 13, "end", "soft"))
            value *= 10
        parts += [text(self.x(size), self.bottom + 22, whole(size), 13, "middle", "soft")
                  for size in self.sizes]
        parts.append(text((self.left + self.right) / 2, self.bottom + 46, "entries", 13, "middle", "soft"))
        return parts

    def line(self, points, colour, width):
        places = [(self.x(size), self.y(value)) for size, value in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>']
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{width + 1.5}" fill="{colour}"/>' for x, y in places]
        return parts


def bounds(values):
    return 10 ** math.floor(math.log10(min(values))), 10 ** math.ceil(math.log10(max(values)))


def seconds(value):
    for unit, size in [("s", 1), ("ms", 1e-3), ("µs", 1e-6)]:
        if value >= size * 0.999:
            return f"{value / size:.0f} {unit}"
    return f"{value:.0e} s"


def spread(labels, gap=18):
    """Moves labels apart that would stand on each other."""
    placed = []
    for y, *rest in sorted(labels):
        placed.append((max(y, placed[-1][0] + gap) if placed else y, *rest))
    return placed


def svg(results):
    sizes = results["sizes"]
    replay = {int(size): it for size, it in results["replay"].items()}
    lines = []
    for key, name, colour in SERIES:
        points = [(size, replay[size][key]) for size in sizes if replay[size].get(key)]
        if points:
            lines.append((key, name, colour, points))
    times = Panel(90, 480, sizes, *bounds([value for *_, points in lines for _, value in points]))
    peaks = [(size, replay[size]["peak"] / 2**20) for size in sizes]
    memory = Panel(720, 920, sizes, 1, max(1000, bounds([peak for _, peak in peaks])[1]))
    parts = times.frame("wall time of the whole process", seconds)
    ends = []
    for key, name, colour, points in lines:
        parts += times.line(points, colour, 3.5 if key == "althing" else 2)
        ends.append((times.y(points[-1][1]) + 4.5, name, colour, key))
    for y, name, colour, key in spread(ends):
        parts.append(text(492, y, name, 14, fill=colour, weight=600 if key == "althing" else 400))
    parts += memory.frame("peak of memory, Althing replay", lambda value: f"{value:.0f} MiB")
    parts += memory.line(peaks, SERIES[-1][2], 3.5)
    largest = max(size for size in sizes)
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" role="img">',
        "<title>Replaying a ledger: time and memory against its length</title>", STYLE,
        f'<rect class="page" width="{WIDTH}" height="{HEIGHT}"/>',
        text(40, 48, "Replay takes time in proportion, and the same memory", 24, weight=600),
        text(40, 74, f"{replay[largest]['bytes'] / largest:.0f} bytes an entry; hashes, links, decisions and "
             "state checked from the first line; both axes logarithmic", 14, css="soft"),
        *parts, "</svg>", ""])


if __name__ == "__main__":
    import json
    import sys
    print(svg(json.load(sys.stdin)))
