"""The lineage of a run as a drawing: one box a committed folder, one line from each to what was made of it.

Layers, orders within them and bends follow Sugiyama, Tagawa and Toda, "Methods for Visual Understanding of
Hierarchical System Structures" (1981), with the barycentre heuristic.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise

from markupsafe import Markup

from platen.components.notify.report.charts import picture
from platen.core.errors import PlatenError
from platen.core.lineage import walk
from platen.core.stage import Folder

BOX = (124, 36)  # width and height of a box in pixels
GAP = (26, 26)  # between boxes, across and down
SWEEPS = 24  # passes of ordering and of placing; more changed nothing on graphs of this size


@dataclass(frozen=True)
class Graph:
    """Folders by their digest, and for each the digests of what it was made from, by role."""

    folders: Mapping[str, Folder]
    sources: Mapping[str, Mapping[str, str]]


def collect(starts: Iterable[Folder]) -> tuple[Graph, list[str]]:
    """Everything that folders were made from, and what could not be followed and why."""
    folders: dict[str, Folder] = {}
    notes: list[str] = []
    for start in starts:
        if start.digest in folders:
            continue
        try:
            folders.update({link.folder.digest: link.folder for link in walk(start.uri)})
        except PlatenError as error:
            folders[start.digest] = start
            notes.append(str(error))
    sources = {digest: _known_sources(folder, folders) for digest, folder in folders.items()}
    return Graph(folders, sources), notes


def _known_sources(folder: Folder, folders: Mapping[str, Folder]) -> dict[str, str]:
    return {role: source.digest for role, source in folder.manifest.inputs.items() if source.digest in folders}


def layers_of(sources: Mapping[str, Mapping[str, str]]) -> dict[str, int]:
    """How far each node is from the start: one more than the farthest of its sources."""
    depth: dict[str, int] = {}

    def place(node: str) -> int:
        if node not in depth:
            depth[node] = 0  # a ring cannot be, digests do not allow it; should one be, this ends it
            depth[node] = max((place(source) + 1 for source in sources[node].values()), default=0)
        return depth[node]

    for node in sources:
        place(node)
    return depth


def draw(graph: Graph) -> Markup:
    """The graph, sources on top."""
    depth = layers_of(graph.sources)
    chains = _chains(graph.sources, depth)
    rows = _order(_rows(depth, chains), chains)
    at, size = _positions(rows, chains)
    lines = [Markup('<path class="edge" d="{}"/>').format(_curve(chain, at)) for chain in chains]
    boxes = [_box(at[digest], folder) for digest, folder in graph.folders.items()]
    told = f"Lineage: {len(graph.folders)} folders, {len(chains)} links; the table says the same in words"
    return picture([*lines, *boxes], size, told)


def _chains(sources: Mapping[str, Mapping[str, str]], depth: Mapping[str, int]) -> list[list[str]]:
    """Each link as its two ends and a bend in every layer between them."""
    pairs = sorted({(source, node) for node, named in sources.items() for source in named.values()})
    return [
        [source, *(f"{source}>{node}@{layer}" for layer in range(depth[source] + 1, depth[node])), node]
        for source, node in pairs
    ]


def _rows(depth: Mapping[str, int], chains: Iterable[list[str]]) -> list[list[str]]:
    rows: list[list[str]] = [[] for _ in range(max(depth.values(), default=0) + 1)]
    for node, layer in depth.items():
        rows[layer].append(node)
    for chain in chains:
        for layer, bend in enumerate(chain[1:-1], depth[chain[0]] + 1):
            rows[layer].append(bend)
    return rows


def _order(rows: list[list[str]], chains: Iterable[list[str]]) -> list[list[str]]:
    """Sort each row by the mean place of its neighbours in the row before, down and up again."""
    near = _neighbours(chains)
    for sweep in range(SWEEPS):
        turn = rows if sweep % 2 == 0 else rows[::-1]
        for before, row in pairwise(turn):
            place = {node: (index + 0.5) / len(before) for index, node in enumerate(before)}
            means = {node: _mean([place[other] for other in near.get(node, []) if other in place], 0.5) for node in row}
            row.sort(key=means.__getitem__)
    return rows


def _neighbours(chains: Iterable[list[str]]) -> dict[str, list[str]]:
    near: dict[str, list[str]] = {}
    for chain in chains:
        for one, other in pairwise(chain):
            near.setdefault(one, []).append(other)
            near.setdefault(other, []).append(one)
    return near


def _mean(values: list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _positions(
    rows: list[list[str]], chains: Iterable[list[str]]
) -> tuple[dict[str, tuple[float, float]], tuple[int, int]]:
    """The middle of every node: as near to above and below what it is linked with as its row has room for."""
    near = _neighbours(chains)
    x = {node: float(place) for row in rows for node, place in zip(row, _spread(row, [0.0] * len(row)), strict=True)}
    for sweep in range(SWEEPS):
        for row in rows if sweep % 2 == 0 else rows[::-1]:
            wanted = [_mean([x[other] for other in near.get(node, [])], x[node]) for node in row]
            x.update(zip(row, _spread(row, wanted), strict=True))
    left = min(x[node] - _room(node) / 2 for node in x)
    right = max(x[node] + _room(node) / 2 for node in x)
    step = BOX[1] + GAP[1]
    at = {node: (x[node] - left, layer * step + BOX[1] / 2 + 1) for layer, row in enumerate(rows) for node in row}
    return at, (math.ceil(right - left), len(rows) * step - GAP[1] + 2)


def _room(node: str) -> float:
    return BOX[0] / 4 if "@" in node else BOX[0] + GAP[0]


def _spread(row: list[str], wanted: list[float]) -> list[float]:
    """Places in the order of the row, none closer than its room, with the least squares of distance to those wanted.

    Source: isotonic regression by pooling adjacent violators, on what is left of a place when the rooms before it are
    taken off.
    """
    offsets = list(accumulate((_room(one) + _room(other)) / 2 for one, other in pairwise(row)))
    offsets = [0.0, *offsets] if row else []
    pools: list[tuple[float, int]] = []
    for value, offset in zip(wanted, offsets, strict=True):
        mean, size = value - offset, 1
        while pools and pools[-1][0] > mean:
            before, count = pools.pop()
            mean, size = (mean * size + before * count) / (size + count), size + count
        pools.append((mean, size))
    places = [mean for mean, size in pools for _ in range(size)]
    return [place + offset for place, offset in zip(places, offsets, strict=True)]


def _curve(chain: list[str], at: Mapping[str, tuple[float, float]]) -> str:
    """From the lower edge of a box to the upper edge of another, straight down past the layers between."""
    half = BOX[1] / 2
    x, y = at[chain[0]]
    path = f"M{x:.0f} {y + half:.0f}"
    for number, node in enumerate(chain[1:], 1):
        right, below = at[node]
        top = below - half
        middle = (y + half + top) / 2
        path += f"C{x:.0f} {middle:.0f} {right:.0f} {middle:.0f} {right:.0f} {top:.0f}"
        if number < len(chain) - 1:
            path += f"V{below + half:.0f}"
        x, y = right, below
    return path


def _box(at: tuple[float, float], folder: Folder) -> Markup:
    x, y = at
    return Markup(
        "<g><title>{uri}</title>"
        '<rect class="box" x="{left:.0f}" y="{top:.0f}" width="{width}" height="{height}" rx="4"/>'
        '<text x="{x:.0f}" y="{first:.0f}" text-anchor="middle" class="strong">{stage}</text>'
        '<text x="{x:.0f}" y="{second:.0f}" text-anchor="middle" class="code">{digest}</text></g>'
    ).format(
        uri=folder.uri,
        left=x - BOX[0] / 2,
        top=y - BOX[1] / 2,
        width=BOX[0],
        height=BOX[1],
        x=x,
        first=y - 3,
        second=y + 12,
        stage=folder.manifest.made_by.stage,
        digest=folder.digest[:12],
    )
