"""
What a query costs: the formula measured on 482 recorded answers (notes on Shopify, 2.2); a model, not a contract.

A connection costs 2 + k(n) times its node, k(1) = 1, k(2) = 2, else floor(2 ln n); an object 1, money nothing, a count
field 10, a mutation 10.
"""

import math
from typing import Any

from graphql import FieldNode, FragmentSpreadNode, GraphQLObjectType, GraphQLSchema, InlineFragmentNode, get_named_type

FREE = ("MoneyBag", "MoneyV2", "PageInfo")


def factor(number: int) -> int:
    """Return k(n)."""
    return number if number <= 2 else math.floor(2 * math.log(number))


def cost_of(schema: GraphQLSchema, document: Any, variables: dict[str, Any]) -> int:
    """Return the requested cost of the first operation in *document*."""
    fragments = {d.name.value: d for d in document.definitions if d.kind == "fragment_definition"}
    operation = next(d for d in document.definitions if d.kind == "operation_definition")
    kind = schema.get_root_type(operation.operation)
    assert kind is not None
    base = 10 if operation.operation.value == "mutation" else 0
    return max(1, base + _selection(schema, kind, operation.selection_set, fragments, variables))


def _selection(schema: Any, kind: Any, selection: Any, fragments: Any, variables: Any) -> int:
    total = 0
    for node in selection.selections if selection else ():
        if isinstance(node, FragmentSpreadNode):
            total += _selection(schema, kind, fragments[node.name.value].selection_set, fragments, variables)
        elif isinstance(node, InlineFragmentNode):
            total += _selection(schema, kind, node.selection_set, fragments, variables)
        elif isinstance(node, FieldNode) and not node.name.value.startswith("__"):
            total += _field(schema, kind, node, fragments, variables)
    return total


def _field(schema: Any, kind: Any, node: FieldNode, fragments: Any, variables: Any) -> int:
    name = node.name.value
    found = get_named_type(kind.fields[name].type)
    if name.endswith("Count"):
        return 10
    if not isinstance(found, GraphQLObjectType):
        return 0
    inner = _selection(schema, found, node.selection_set, fragments, variables)
    if found.name in FREE:
        return 0
    if not found.name.endswith("Connection"):
        return inner if found.name == "QueryRoot" else 1 + inner
    return 2 + factor(_first(node, variables)) * max(1, inner)


def _first(node: FieldNode, variables: Any) -> int:
    for argument in node.arguments or ():
        if argument.name.value in ("first", "last"):
            value: Any = argument.value
            return int(variables[value.name.value] if value.kind == "variable" else value.value)
    return 50
