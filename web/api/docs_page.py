"""The description of the API as a page: made of the OpenAPI document, without scripts or internet."""

import json
from collections.abc import Iterator, Mapping
from html import escape
from importlib import resources
from typing import Any, Final

from web.api.problems import KINDS

_PAGES: Final = resources.files("web.api") / "pages"
_METHODS: Final = ("get", "post", "put", "patch", "delete")
_STYLE: Final = _PAGES.joinpath("docs.css").read_text(encoding="utf-8")
_INTRODUCTION: Final = _PAGES.joinpath("docs_introduction.html").read_text(encoding="utf-8")


def page(document: Mapping[str, Any]) -> str:
    """Write the page."""
    info = document["info"]
    tags = {tag["name"]: tag.get("description", "") for tag in document.get("tags", ())}
    body = [f"<h1>{escape(info['title'])}</h1>", _INTRODUCTION]
    for tag, about in tags.items():
        body.append(f"<h2 id='{escape(tag)}'>{escape(tag.capitalize())}</h2><p>{escape(about)}</p>")
        body.extend(_operations(document, tag))
    body.append("<h2 id='problems'>Problems</h2><table><tr><th>status<th>type<th>means</tr>")
    body.extend(
        f"<tr id='problem-{name}'><td>{kind.status.value}<td><code>{name}</code><td>{escape(kind.title)}</tr>"
        for name, kind in KINDS.items()
    )
    body.append("</table>")
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width,initial-scale=1'>"
        f"<title>{escape(info['title'])}</title><style>{_STYLE}</style></head><body>{''.join(body)}</body></html>"
    )


def _operations(document: Mapping[str, Any], tag: str) -> Iterator[str]:
    for path, item in document["paths"].items():
        for method in _METHODS:
            operation = item.get(method)
            if operation and tag in operation.get("tags", ()):
                yield _operation(document, path, method, operation)


def _operation(document: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]) -> str:
    parts = [f"<p>{escape(operation.get('description', ''))}</p>"]
    if operation.get("security"):
        parts.append("<p>May need an API key (header <code>X-API-Key</code>).</p>")
    parameters = operation.get("parameters", ())
    if parameters:
        rows = "".join(map(_parameter, parameters))
        parts.append(f"<table><tr><th>parameter<th>in<th>meaning</tr>{rows}</table>")
    example = _example(document, operation)
    if example is not None:
        parts.append(f"<p>Send, for example:</p><pre>{escape(_curl(path, method, *example))}</pre>")
    answers = ", ".join(
        f"<code>{status}</code> {escape(answer.get('description', ''))}"
        for status, answer in operation.get("responses", {}).items()
        if status < "4"
    )
    parts.append(f"<p>Answers: {answers}</p>")
    return (
        f"<details><summary><b>{method}</b><code>{escape(path)}</code>"
        f"<span>{escape(operation.get('summary', ''))}</span></summary><div>{''.join(parts)}</div></details>"
    )


def _parameter(one: Mapping[str, Any]) -> str:
    needed = "" if one.get("required") else " <small>optional</small>"
    about = escape(one.get("description", ""))
    return f"<tr><td><code>{escape(one['name'])}</code>{needed}<td>{escape(one['in'])}<td>{about}</tr>"


def _example(document: Mapping[str, Any], operation: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the media type and the text of a request's example."""
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        if "example" in content:
            return media_type, str(content["example"])
        schema = _resolved(document, content.get("schema", {}))
        if schema.get("examples"):
            return media_type, json.dumps(schema["examples"][0])
    return None


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    options = [*schema.get("anyOf", ()), schema]
    reference = next((one["$ref"] for one in options if "$ref" in one), None)
    found: Mapping[str, Any] = schema
    if reference is not None:
        found = document["components"]["schemas"][reference.rpartition("/")[2]]
    return found


def _curl(path: str, method: str, media_type: str, body: str) -> str:
    quoted = body.replace("'", "'\\''")
    lines = (
        f"curl -X {method.upper()} http://localhost:8088{path}",
        f"  -H 'Content-Type: {media_type}'",
        f"  -d '{quoted}'",
    )
    return " \\\n".join(lines)
