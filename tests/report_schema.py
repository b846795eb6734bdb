"""The JSON Schema of reports, ready to check documents with."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import orjson

PATH: Final = Path(__file__).parents[1] / "reporter" / "document.schema.json"
SCHEMA: Final[Mapping[str, Any]] = orjson.loads(PATH.read_bytes())
_VALIDATOR: Final = jsonschema_rs.validator_for(dict(SCHEMA))


def faults(document: Mapping[str, Any]) -> list[str]:
    """Say what is wrong with a document; nothing is when it is well formed."""
    return [
        f"{'/'.join(str(part) for part in error.instance_path)}: {error.message[:200]}"
        for error in _VALIDATOR.iter_errors(orjson.loads(orjson.dumps(document)))
    ]
