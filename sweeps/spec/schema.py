"""JSON Schema of the study file, for editors: completion, descriptions and warnings while one writes."""

from typing import Any

from sweeps.spec.presets import HYPERPARAMETERS
from sweeps.spec.scales import SCALES
from sweeps.spec.study import StudySpec


def study_schema() -> dict[str, Any]:
    """Describes a study file.

    It covers names, types and ranges. What needs the task or other keys, such as which names an arm may search, only
    `lagsweep validate` checks.

    Returns:
        A JSON Schema (draft 2020-12) that accepts both forms: `arms`, or a single arm at the top level.
    """
    schema = StudySpec.model_json_schema()
    arm = schema["$defs"]["Arm"]["properties"]
    schema["properties"] |= {"lagrangian": arm["lagrangian"], "search": arm["search"]}
    schema["required"] = [key for key in schema["required"] if key != "arms"]
    schema["properties"]["hyperparameters"] = True  # which they may be depends on the algorithm
    default = StudySpec.model_fields["algorithm"].default
    schema["allOf"] = [
        {
            "if": {"properties": {"algorithm": {"const": name}}, "required": [] if name == default else ["algorithm"]},
            "then": {"properties": {"hyperparameters": {"$ref": f"#/$defs/{model.__name__}"}}},
        }
        for name, model in HYPERPARAMETERS.items()
    ]
    schema["properties"][SCALES] = {
        "type": "object",
        "additionalProperties": {"type": "object"},
        "description": "name → what differs from the file at that scale",
    }
    schema["oneOf"] = [
        {"required": ["arms"], "properties": {"lagrangian": False, "search": False}},
        {"required": ["lagrangian"], "properties": {"arms": False}},
    ]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
