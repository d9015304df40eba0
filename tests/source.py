"""The source as the house's rules read it: every module's syntax tree, and what it imports."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
APPS = {"tenants", "events", "devices", "notifications", "avatars"}
OUTSIDE = {"sandbox", "clients", "bench"}
ROOMS = sorted(APPS | OUTSIDE | {"pushhub", "outgoing", "providers"})


@dataclass(frozen=True)
class Module:
    path: str
    source: str
    tree: ast.Module

    @property
    def room(self) -> str:
        return self.path.split("/")[0]

    @property
    def parts(self) -> set[str]:
        return {part.removesuffix(".py") for part in self.path.split("/")[1:]}

    def at(self, node: ast.AST, message: str) -> str:
        return f"{self.path}:{getattr(node, 'lineno', 1)} {message}"


@lru_cache(maxsize=1)
def modules() -> tuple[Module, ...]:
    """The tests are read, too: those rules that name a room are not about them."""
    return tuple(_read(path) for room in [*ROOMS, "tests"] for path in sorted((ROOT / room).rglob("*.py")))


def _read(path: Path) -> Module:
    source = path.read_text("utf-8")
    return Module(path.relative_to(ROOT).as_posix(), source, ast.parse(source))


def imports(module: Module) -> Iterator[tuple[ast.AST, str]]:
    """Every imported module, relative ones resolved; `from a import b` as `a.b` too, since b may be a module."""
    package = module.path.split("/")[:-1]
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((node, f"{base}.{alias.name}") for alias in node.names)
