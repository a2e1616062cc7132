"""Graphs for runtimes of phones: constants computed, and operations replaced that they lack."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

# They return their input.
_NO_OPERATIONS = frozenset({torch.ops.aten.alias.default, torch.ops.aten.lift_fresh_copy.default})


@torch.no_grad()
def fold_constants(
    program: ExportedProgram, replacements: Mapping[Any, Callable[..., Tensor]] | None = None
) -> ExportedProgram:
    """Compute everything that depends on weights alone, and replace operations.

    Args:
        program: Graph for images of one size.
        replacements: Functions of simpler operations, by the operation of ``torch.ops.aten`` that
            each of them computes.

    Returns:
        The same graph, in which every tensor is either a constant or computed from the image.
    """
    if replacements:
        program = program.run_decompositions(dict(replacements))
    module = program.module(check_guards=False)
    assert isinstance(module, GraphModule)
    values: dict[Node, Any] = {}
    for node in module.graph.nodes:
        if node.op == "get_attr":
            values[node] = _attribute(module, str(node.target))
        elif node.op == "call_function" and all(n in values for n in node.all_input_nodes):
            args, kwargs = torch.fx.map_arg((node.args, node.kwargs), values.__getitem__)
            values[node] = node.target(*args, **kwargs)
    for index, (node, value) in enumerate(values.items()):
        if node.op == "call_function" and isinstance(value, Tensor):
            name = f"constant_{index}"
            module.register_buffer(name, value.contiguous())
            with module.graph.inserting_before(node):
                node.replace_all_uses_with(module.graph.get_attr(name))
    for node in list(module.graph.nodes):
        if node.target in _NO_OPERATIONS:
            node.replace_all_uses_with(node.args[0])
    module.graph.eliminate_dead_code()
    module.recompile()
    (image,), _ = program.example_inputs
    return torch.export.export(module, (image,), strict=False)


def _attribute(module: GraphModule, name: str) -> Any:
    """Return an attribute by its dotted name."""
    parent, _, child = name.rpartition(".")
    return getattr(module.get_submodule(parent), child)
