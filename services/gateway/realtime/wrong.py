"""What is wrong with an event of a client, in the words of the protocol: its own field names, and the types of JSON."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from pydantic import ValidationError


class ClientError(Exception):
    """An event that cannot be followed. It is answered by an `error` event, and the session goes on."""

    def __init__(self, code: str, message: str, *, param: str | None = None, event_id: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.event_id = event_id


#: Types, by the names that pydantic gives to the errors about them.
_TYPES: Final = {
    "string_type": "a string",
    "int_type": "an integer",
    "int_parsing": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "an array",
    "tuple_type": "an array",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}
#: Bounds; what is in braces is of the error.
_BOUNDS: Final = {
    "literal_error": "{expected}",
    "union_tag_invalid": "{expected_tags}",
    "string_unicode": "text that can be written down as UTF-8",
    "finite_number": "a finite number",
    "int_parsing_size": "an integer that is not as large",
    "greater_than_equal": "{ge} or more",
    "less_than_equal": "{le} or less",
    "string_too_short": "at least {min_length} characters long",
    "string_too_long": "at most {max_length} characters long",
    "too_short": "an array that is not empty",
    "too_long": "an object of at most {max_length} entries",
}


def invalid(exc: ValidationError, event_id: str | None = None, *, prefix: str = "", tags: Collection[str] = ()) -> ClientError:
    """The first thing that is wrong, in words. `tags`: names of alternatives, which are no fields."""
    first = exc.errors(include_url=False)[0]
    kind, context = first["type"], first.get("ctx", {})
    path = [str(part) for part in first["loc"] if part not in tags]
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        path.append(context["discriminator"].strip("'"))
    param = ".".join([prefix, *path] if prefix else path)
    if kind in ("missing", "union_tag_not_found"):
        return ClientError("missing_required_parameter", f"`{param}` is missing.", param=param, event_id=event_id)
    if kind in _TYPES:
        message = f"`{param}` must be {_TYPES[kind]}, not {json_type(first['input'])}."
        return ClientError("invalid_type", message, param=param, event_id=event_id)
    bound = _BOUNDS[kind].format(**context) if kind in _BOUNDS else "something else"
    return ClientError("invalid_value", f"`{param}` must be {bound}.", param=param, event_id=event_id)


def json_type(value: Any) -> str:
    """What a value is called in JSON."""
    if value is None:
        return "null"
    # A boolean is an integer to Python.
    kinds = ((bool, "a boolean"), (int, "a number"), (float, "a fraction"), (str, "a string"), (list | tuple, "an array"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "an object")
