"""
What a query costs: the formula measured on 482 recorded answers (notes on Shopify, 2.2); a model, not a contract.

A connection costs 2 + k(n) times its node, k(1) = 1, k(2) = 2, else floor(2 ln n); an object 1, money nothing, a count
field 10, a mutation 10.
"""

import math
from dataclasses import dataclass
from typing import Any

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    get_named_type,
    value_from_ast_untyped,
)

FREE = ("MoneyBag", "MoneyV2", "PageInfo")


def factor(number: int) -> int:
    """Return k(n)."""
    return number if number <= 2 else math.floor(2 * math.log(number))


def cost_of(schema: GraphQLSchema, document: Any, variables: dict[str, Any], data: dict[str, Any] | None = None) -> int:
    """Return the requested cost of the first operation in *document*, or the actual cost of the answer *data*."""
    fragments = {d.name.value: d for d in document.definitions if d.kind == "fragment_definition"}
    operation = next(d for d in document.definitions if d.kind == "operation_definition")
    kind = schema.get_root_type(operation.operation)
    assert kind is not None
    base = 10 if operation.operation.value == "mutation" else 0
    defaults = {
        item.variable.name.value: value_from_ast_untyped(item.default_value)
        for item in operation.variable_definitions or ()
        if item.default_value
    }
    walk = _Walk(schema, fragments, defaults | variables)
    return max(1, base + walk.selection(kind, operation.selection_set, data))


@dataclass(frozen=True)
class _Walk:
    schema: GraphQLSchema
    fragments: dict[str, Any]
    variables: dict[str, Any]

    def selection(self, kind: Any, selection: Any, answer: dict[str, Any] | None) -> int:
        """Return the cost of the fields selected on an object; *answer* is the object, None before there is one."""
        total = 0
        for node in selection.selections if selection else ():
            if isinstance(node, FragmentSpreadNode):
                fragment = self.fragments[node.name.value]
                named = self.schema.get_type(fragment.type_condition.name.value)
                total += self.selection(named, fragment.selection_set, answer)
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                named = self.schema.get_type(condition.name.value) if condition else kind
                total += self.selection(named, node.selection_set, answer)
            elif isinstance(node, FieldNode) and not node.name.value.startswith("__"):
                total += self.field(kind, node, answer)
        return total

    def field(self, kind: Any, node: FieldNode, answer: dict[str, Any] | None) -> int:
        """Return the cost of one field."""
        name = node.name.value
        found = get_named_type(kind.fields[name].type)
        if name.endswith("Count"):
            return 10
        if not isinstance(found, (GraphQLObjectType, GraphQLInterfaceType)) or found.name in FREE:
            return 0
        value = answer.get((node.alias or node.name).value) if answer is not None else None
        if answer is not None and not value:
            return 2 if found.name.endswith("Connection") else 0
        if not found.name.endswith("Connection"):
            # A plain list counts once (notes on Shopify, 5).
            return 1 + self.selection(found, node.selection_set, value[0] if isinstance(value, list) else value)
        if value is None:
            return 2 + factor(self.first(node)) * max(1, self.selection(found, node.selection_set, None))
        items = next((item for item in value.values() if isinstance(item, list)), None)
        number = self.first(node) if items is None else len(items)
        return 2 + factor(number) * max(1, self.selection(found, node.selection_set, value))

    def first(self, node: FieldNode) -> int:
        """Return how many nodes are asked for; what is no number is refused later, by the execution."""
        for argument in node.arguments or ():
            if argument.name.value in ("first", "last"):
                value: Any = value_from_ast_untyped(argument.value, self.variables)
                return max(0, value) if isinstance(value, int) else 1
        return 50
