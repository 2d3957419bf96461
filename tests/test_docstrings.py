"""The examples in modules' docstrings: their imports exist, their calls fit the signatures, their commands are accepted."""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest

from generate.__main__ import main
from tests.conftest import ROOT

ROOMS = ("generate", "gallery", "web")
MODULES = sorted(p.relative_to(ROOT) for room in ROOMS for p in (ROOT / room).rglob("*.py") if p.name != "__main__.py")


def examples(path: Path) -> list[str]:
    """What a module's docstring shows: paragraphs that are code, and the lines that are commands."""
    text = ast.get_docstring(ast.parse((ROOT / path).read_text())) or ""
    return [paragraph for paragraph in text.split("\n\n")[1:] if is_code(paragraph)]


def is_code(paragraph: str) -> bool:
    if re.match(r"\s*(python|torchrun) -", paragraph):
        return True
    try:
        tree = ast.parse(inspect.cleandoc(paragraph))
    except SyntaxError:
        return False
    return any(isinstance(node, ast.Call | ast.ImportFrom) for node in ast.walk(tree))


def check(code: str, names: dict[str, Any]) -> None:
    """Import what the code imports, and see that the functions it calls exist and take such arguments."""
    tree = ast.parse(code)
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            exec(compile(ast.Module([node], []), "docstring", "exec"), names)
    assigned = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if not isinstance(call.func, ast.Name) or call.func.id in assigned:
            continue  # a method, of whatever comes out of an earlier call
        assert call.func.id in names, f"{call.func.id} is not there"
        function = names[call.func.id]
        if inspect.isfunction(function) or getattr(function, "__module__", "").startswith(("generate", "gallery")):
            positional = [None for argument in call.args if not isinstance(argument, ast.Starred)]
            keywords = {keyword.arg: None for keyword in call.keywords if keyword.arg}
            inspect.signature(function).bind(*positional, **keywords)


@pytest.mark.parametrize("path", [path for path in MODULES if examples(path)], ids=str)
def test_an_example_would_run(path):
    module = importlib.import_module(".".join(path.with_suffix("").parts).removesuffix(".__init__"))
    for example in examples(path):
        if "-m generate" in example:
            words = shlex.split(example, comments=True)
            name, *arguments = words[words.index("generate") + 1 :]
            with click.Context(main) as context:
                command = main.get_command(context, name)
                assert command is not None
                command.make_context(name, arguments)
        elif example.lstrip().startswith("python -c"):
            check(shlex.split(example)[2], vars(builtins).copy())
        else:
            check(inspect.cleandoc(example), {**vars(builtins), **vars(module)})


def test_wrong_examples_are_found():
    with pytest.raises(ImportError):
        check("from generate.images import no_such_name", {})
    with pytest.raises(AssertionError):
        check("fingerprint(1)", {})
    with pytest.raises(TypeError):
        check("from generate.images import size_of\nsize_of()", {})
