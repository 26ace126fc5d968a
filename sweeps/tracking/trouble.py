"""What goes wrong between a study and MLflow, and whether trying again can help.

Importing this module imports MLflow, which takes seconds: only the shipper's thread does.
"""

import json

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError
from google.protobuf.json_format import ParseError
from mlflow.exceptions import MlflowException
from requests import HTTPError
from sqlalchemy.exc import SQLAlchemyError

_OF_BUCKETS = (BotoCoreError, ClientError, Boto3Error)  # they share no base class but Exception
TROUBLE = (MlflowException, SQLAlchemyError, ParseError, OSError, json.JSONDecodeError, *_OF_BUCKETS)
"""What MLflow's client raises when its store or its bucket is away, slow, full or talks nonsense."""


_REFUSALS = {"INVALID_PARAMETER_VALUE", "MALFORMED_REQUEST"}
_TOO_LARGE = 413  # a reverse proxy before MLflow says so, and will again


def is_refusal(error: Exception) -> bool:
    """Whether the same request will fail for ever, so that trying again is useless.

    Args:
        error: What `apply` or `log_rows` raised.

    Returns:
        True for what MLflow understood and refused, such as a parameter with another value than before, for what is
        too large for it, and for an artifact that is no longer there.
    """
    if isinstance(error, MlflowException):
        return error.error_code in _REFUSALS or f"error code {_TOO_LARGE} " in str(error)
    if isinstance(error, HTTPError):
        return error.response is not None and error.response.status_code == _TOO_LARGE
    return isinstance(error, FileNotFoundError)
