"""Refusals in the words and shapes of Shopify (notes on Shopify, 2.4): what a query may not ask, and why."""

import re
from typing import Any

from graphql import DocumentNode, FieldNode, GraphQLError, Node

#: What graphql-core says, what Shopify says of the same (None: the same sentence), and Shopify's code.
SHAPES: tuple[tuple[str, str | None, str], ...] = (
    (r"Cannot query field '(\w+)' on type '(\w+)'", "Field '{0}' doesn't exist on type '{1}'", "undefinedField"),
    (r"Unknown argument '(\w+)' on field '\w+\.(\w+)'", "Field '{1}' doesn't accept argument '{0}'", ""),
    (
        r"Field '\w+' argument '(\w+)'.*was not provided|Argument '\w+'.*was not provided",
        None,
        "missingRequiredArguments",
    ),
    (r"must have a selection of subfields|must not have a selection", None, "selectionMismatch"),
    (r"Variable '\$\w+' is not defined", None, "variableNotDefined"),
    (r"Variable '\$\w+' is never used", None, "variableNotUsed"),
    (r"Variable '\$\w+' of type .* used in position", None, "variableMismatch"),
    (r"Unknown fragment", None, "undefinedFragment"),
    (r"Unknown type", None, "undefinedType"),
)
SCOPE_DOCS = "https://shopify.dev/api/usage/access-scopes"
PROTECTED_DOCS = "https://shopify.dev/docs/apps/launch/protected-customer-data"


def refused(problem: GraphQLError, document: DocumentNode) -> dict[str, Any]:
    """Return a fault of validation as Shopify shows it."""
    made: dict[str, Any] = {"message": problem.message, "locations": problem.formatted.get("locations", [])}
    node = problem.nodes[0] if problem.nodes else None
    made["path"] = path_to(document, node)
    for pattern, sentence, code in SHAPES:
        found = re.search(pattern, problem.message)
        if found is None:
            continue
        made["message"] = sentence.format(*found.groups()) if sentence else problem.message
        made["extensions"] = {"code": code or "argumentNotAccepted"}
        if code == "undefinedField":
            made["extensions"] |= {"typeName": found[2], "fieldName": found[1]}
        return made
    made["extensions"] = {"code": "argumentLiteralsIncompatible"}
    return made


def failed(problem: GraphQLError) -> dict[str, Any]:
    """Return a fault of execution; a variable that does not fit has its own code."""
    made = dict(problem.formatted)
    if "extensions" not in made:
        variable = problem.message.startswith("Variable '$")
        made["extensions"] = {"code": "INVALID_VARIABLE" if variable else "BAD_REQUEST"}
    return made


def path_to(document: DocumentNode, wanted: Node | None) -> list[str]:
    """Return the way to a node: "query Orders", "orders", "nodes", "colour"."""

    def search(node: Any, way: list[str]) -> list[str] | None:
        if node is wanted:
            return way
        selections = node.selection_set.selections if getattr(node, "selection_set", None) else ()
        for inner in [*selections, *(getattr(node, "arguments", None) or ())]:
            name = inner.alias or inner.name if isinstance(inner, FieldNode) else getattr(inner, "name", None)
            found = search(inner, [*way, name.value if name else "..."])
            if found is not None:
                return found
        return None

    for definition in document.definitions:
        name = getattr(definition, "name", None)
        operation = getattr(definition, "operation", None)
        kind = operation.value if operation else "fragment"
        found = search(definition, [f"{kind} {name.value}" if name else kind])
        if found is not None:
            return found
    return []


def denied(field: str, scope: str) -> GraphQLError:
    """Return the error for a missing scope."""
    needed = f"`{scope}` access scope."
    extra = {"code": "ACCESS_DENIED", "documentation": SCOPE_DOCS, "requiredAccess": needed}
    return GraphQLError(f"Access denied for {field} field. Required access: {needed}", extensions=extra)


def unapproved(kind: str) -> GraphQLError:
    """Return the error for protected customer data that Shopify did not approve the app for."""
    text = f"This app is not approved to access the {kind} object."
    return GraphQLError(text, extensions={"code": "ACCESS_DENIED", "documentation": PROTECTED_DOCS})
