"""Routes of HTTP triggers."""

import pytest

from local.host.route import RouteError, RouteTemplate


@pytest.mark.parametrize(
    ("template", "path", "params"),
    [
        ("api/open", "/api/open", {}),
        ("api/open", "/API/Open/", {}),
        ("/api/open/", "/api/open", {}),
        ("api/open", "/api/opens", None),
        ("api/a.b", "/api/axb", None),
        ("api/{name}", "/api/jo", {"name": "jo"}),
        ("api/{name}", "/api", None),
        ("api/{name}", "/api/jo/more", None),
        ("api/{id:int}", "/api/-12", {"id": "-12"}),
        ("api/{id:int}", "/api/12a", None),
        ("api/{id:guid}", "/api/0f8fad5b-d9cb-469f-a165-70867728950e", {"id": "0f8fad5b-d9cb-469f-a165-70867728950e"}),
        ("api/{on:bool}", "/api/True", {"on": "True"}),
        ("api/{part:alpha}", "/api/x1", None),
        ("api/{a}/{b:int?}", "/api/x", {"a": "x"}),
        ("api/{a}/{b:int?}", "/api/x/3", {"a": "x", "b": "3"}),
        ("api/{*rest}", "/api/a/b.c", {"rest": "a/b.c"}),
        ("api/{**rest}", "/api/a/b.c", {"rest": "a/b.c"}),
        ("api/{*rest}", "/api", {}),
    ],
)
def test_paths_match_routes(template: str, path: str, params: dict[str, str] | None) -> None:
    assert RouteTemplate(template).match(path) == params


def test_more_specific_routes_are_tried_first() -> None:
    templates = ["api/{*rest}", "api/{name}", "api/{id:int}", "api/list"]
    in_order = sorted(templates, key=lambda template: RouteTemplate(template).precedence)
    assert in_order == ["api/list", "api/{id:int}", "api/{name}", "api/{*rest}"]


@pytest.mark.parametrize("template", ["a/{b:colour}", "a/{b=5}", "a/x{b}", "a/{b", "a/{b:length(3)}"])
def test_unsupported_templates_are_refused(template: str) -> None:
    with pytest.raises(RouteError):
        RouteTemplate(template)
