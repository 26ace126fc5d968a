"""Errors carry an exit code, are also built-in exceptions, and render as one message."""

import pickle

import pytest

from sweeps import errors
from sweeps.errors import ExitCode, Location, NoFeasibleTrial, NotFoundError, SpecError, SweepError, suggest


@pytest.mark.parametrize(
    ("kind", "built_in", "exit_code"),
    [
        (errors.SpecError, ValueError, 2),
        (errors.StudyExistsError, ValueError, 2),
        (errors.StudyBusyError, RuntimeError, 2),
        (errors.NotFoundError, LookupError, 3),
        (errors.UnreachableError, ConnectionError, 5),
        (errors.FailedTrialsError, RuntimeError, 6),
        (errors.NoFeasibleTrial, LookupError, 7),
    ],
)
def test_an_error_is_also_a_built_in_one_and_has_an_exit_code(
    kind: type[SweepError], built_in: type[Exception], exit_code: int
):
    assert issubclass(kind, built_in)
    assert kind.exit_code == exit_code
    assert kind("what").message == str(kind("what")) == "what"


def test_exit_codes_are_those_of_the_command_line():
    codes = {"OK": 0, "USAGE": 2, "NOT_FOUND": 3, "AUTHENTICATION": 4, "UNREACHABLE": 5}
    codes |= {"FAILED_TRIALS": 6, "NO_FEASIBLE_TRIAL": 7, "INTERRUPTED": 130}
    assert {code.name: code.value for code in ExitCode} == codes


def test_an_error_with_a_place_shows_the_line_and_a_caret():
    place = Location("pid.yaml", 14, 11, "    kp:\t-1 # no", 2)
    error = SpecError(
        "`kp >= 0` must hold, but got -1.", code="out-of-range", help="raise it", path=("a", 0, "kp"), location=place
    )
    assert error.render().splitlines() == [
        "error[out-of-range] pid.yaml:14:11  a[0].kp: `kp >= 0` must hold, but got -1.",
        "  14 |     kp:\t-1 # no",
        "     |        \t  ^^",
        "  help: raise it",
    ]


def test_an_error_without_a_place_is_one_line():
    assert NotFoundError("no study 'x'.", code="no-study").render() == "error[no-study] no study 'x'."


def test_the_same_fields_are_there_as_data():
    place = Location("f.yaml", 1, 2, "text", 3)
    data = NoFeasibleTrial("none.", code="no-feasible-trial", help="train longer", location=place).to_dict()
    assert data == {
        "code": "no-feasible-trial",
        "message": "none.",
        "key": None,
        "help": "train longer",
        "location": {"file": "f.yaml", "line": 1, "column": 2, "text": "text", "width": 3},
        "exit_code": 7,
    }


def test_an_error_survives_the_way_from_a_worker():
    error = SpecError("no.", code="c", help="h", path=("a",), location=Location("f", 1, 1, "t"))
    again = pickle.loads(pickle.dumps(error))
    assert again.to_dict() == error.to_dict()


def test_few_known_names_are_all_listed_and_of_many_only_the_nearest():
    assert suggest("kpp", ["ki", "kp"]) == "did you mean `kp`? known: ki, kp"
    assert suggest("zzz", ["ki", "kp"]) == "known: ki, kp"
    many = [f"name{n:02d}" for n in range(13)]
    assert suggest("name_03", many) == "did you mean `name03`?"
    assert suggest("zzz", many) == f"known: {', '.join(many)}"
