"""JSON Schema of the study file, for editors: completion, descriptions and warnings while one writes."""

from typing import Any

from sweeps.spec.presets import HYPERPARAMETERS
from sweeps.spec.scales import SCALES
from sweeps.spec.single_arm import UPDATE, UPDATES
from sweeps.spec.study import StudySpec


def study_schema() -> dict[str, Any]:
    """Describes a study file.

    It covers names, types and ranges. What needs the task or other keys, such as which names an arm may search, only
    `lagsweep validate` checks.

    Returns:
        A JSON Schema (draft 2020-12) that accepts every form: `arms`, a single arm at the top level, a grid over
        `update` there.
    """
    schema = StudySpec.model_json_schema()
    arm = schema["$defs"]["Arm"]["properties"]
    schema["properties"] |= {"lagrangian": arm["lagrangian"], "search": arm["search"]}
    schema["$defs"]["GridSearch"]["properties"][UPDATE] = {
        "type": "array",
        "minItems": 1,
        "items": {"anyOf": [{"enum": list(UPDATES)}, arm["lagrangian"]]},
        "description": "updates by name or with hyperparameters; at the top level of a study without `lagrangian`",
    }
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
        {
            "required": ["lagrangian"],
            "properties": {"arms": False, "search": {"not": {"required": [UPDATE]}}},
        },
        {
            "required": ["search"],
            "properties": {"arms": False, "lagrangian": False, "search": {"required": [UPDATE]}},
        },
    ]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
