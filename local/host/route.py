"""Routes of HTTP triggers: the subset of ASP.NET route templates that functions use."""

import re

_PARAMETER = re.compile(r"\{(\*{0,2})(\w+)(?::(\w+))?(\?)?\}")
_CONSTRAINTS = {
    "alpha": "[A-Za-z]+",
    "bool": "true|false",
    "decimal": r"[-+]?\d+(?:\.\d+)?",
    "guid": r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "int": r"[-+]?\d+",
    "long": r"[-+]?\d+",
}
#: Of two matching routes, the one whose first differing segment is the more specific takes precedence.
_LITERAL, _CONSTRAINED, _FREE, _REST = range(4)


class RouteError(ValueError):
    """This host does not support the route."""


class RouteTemplate:
    """A route such as `lists/{id:int}/files/{*rest}`; case does not matter.

    Args:
        template: literal segments, `{name}`, `{name:constraint}`, `{name?}` and, at the end, `{*name}`.

    Raises:
        RouteError: the template has something else.
    """

    def __init__(self, template: str) -> None:
        pattern, kinds = "", []
        for segment in template.strip("/").split("/"):
            text, kind = _as_pattern(segment)
            pattern += text
            kinds.append(kind)
        self._pattern = re.compile(pattern, re.IGNORECASE)
        #: Sort key: routes are tried in this order.
        self.precedence = tuple(kinds)

    def match(self, path: str) -> dict[str, str] | None:
        """The values of the parameters; None if the path does not match."""
        match = self._pattern.fullmatch(path.rstrip("/"))
        return {name: value for name, value in match.groupdict().items() if value is not None} if match else None


def _as_pattern(segment: str) -> tuple[str, int]:
    """A segment with its leading slash as a regular expression, and its precedence."""
    parameter = _PARAMETER.fullmatch(segment)
    if parameter is None:
        if "{" in segment or "}" in segment:
            raise RouteError(f"this host does not support the route segment {segment}")
        return "/" + re.escape(segment), _LITERAL
    rest, name, constraint, optional = parameter.groups()
    if constraint and constraint not in _CONSTRAINTS:
        raise RouteError(f"this host does not support the route constraint {constraint}")
    if rest:
        return f"(?:/(?P<{name}>.*))?", _REST
    value = f"/(?P<{name}>{_CONSTRAINTS.get(constraint, '[^/]+')})"
    return f"(?:{value})?" if optional else value, _CONSTRAINED if constraint else _FREE
