"""The source as the architecture test reads it: each module's syntax tree, its imports, and the graph they make."""

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APPS = {"tenants", "events", "devices", "notifications", "avatars"}
OUTSIDE = {"sandbox", "clients", "bench"}
PACKAGES = sorted(APPS | OUTSIDE | {"pushhub", "outgoing", "providers"})

Graph = Mapping[str, set[str]]


@dataclass(frozen=True)
class Module:
    path: str
    source: str
    tree: ast.Module

    @property
    def name(self) -> str:
        return self.path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")

    @property
    def package(self) -> str:
        """The top-level package."""
        return self.path.split("/")[0]

    @property
    def folder(self) -> str:
        """Dotted, such as `notifications.engine`."""
        return ".".join(self.path.split("/")[:-1])

    @property
    def parts(self) -> set[str]:
        return {part.removesuffix(".py") for part in self.path.split("/")[1:]}

    def at(self, node: ast.AST, message: str) -> str:
        return f"{self.path}:{getattr(node, 'lineno', 1)} {message}"


@lru_cache(maxsize=1)
def modules() -> tuple[Module, ...]:
    """The tests are read, too; rules that name a package do not concern them."""
    return tuple(_read(path) for package in [*PACKAGES, "tests"] for path in sorted((ROOT / package).rglob("*.py")))


def _read(path: Path) -> Module:
    source = path.read_text("utf-8")
    return Module(path.relative_to(ROOT).as_posix(), source, ast.parse(source))


def imports(module: Module) -> Iterator[tuple[ast.AST, str]]:
    """Every imported module, relative ones resolved; `from a import b` as `a.b` too, since b may be a module.

    Imports inside functions count.
    """
    package = module.path.split("/")[:-1]
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((node, f"{base}.{alias.name}") for alias in node.names)


def import_graph(read: Iterable[Module]) -> dict[str, set[str]]:
    """Module → the modules it imports. Migrations are history and left out."""
    named = {module.name: module for module in read if "migrations" not in module.parts}
    graph: defaultdict[str, set[str]] = defaultdict(set)
    for name, module in named.items():
        for _, imported in imports(module):
            found = _module_of(imported, named)
            if found and found != name:
                graph[name].add(found)
    return dict(graph)


def _module_of(imported: str, named: Mapping[str, Module]) -> str:
    while imported and imported not in named:
        imported = imported.rpartition(".")[0]
    return imported


def contracted(graph: Graph) -> dict[str, set[str]]:
    """The graph with each sub-package, such as `notifications.engine`, as one node.

    The modules next to the sub-packages stay nodes of their own: `services` uses a sub-package that uses `models`.
    """
    small: defaultdict[str, set[str]] = defaultdict(set)
    for name, imported in graph.items():
        small[_node(name)] |= {_node(other) for other in imported} - {_node(name)}
    return dict(small)


def _node(name: str) -> str:
    first_two = name.split(".")[:2]
    return ".".join(first_two) if (ROOT / Path(*first_two)).is_dir() else name


def cycles(graph: Graph) -> list[list[str]]:
    """The strongly connected parts of more than one node (Tarjan), each sorted."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        order[node] = low[node] = len(order)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in order:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == order[node]:
            part = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(part) > 1:
                found.append(sorted(part))

    for node in graph:
        if node not in order:
            visit(node)
    return found
