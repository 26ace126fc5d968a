"""How far MLflow has been told: an offset in the spool, kept in a file beside it."""

import hashlib
import json
import logging
from pathlib import Path

OFFSET_NAME = "shipped.json"
"""Name of the file in the study's folder."""

_LOG = logging.getLogger(__name__)


class SavedOffset:
    """The saved offset of one history in one MLflow.

    Attributes:
        path: The file.
    """

    def __init__(self, folder: Path, uri: str, history: str) -> None:
        self.path = folder / OFFSET_NAME
        # The address may hold a password: the file names it by its hash.
        self._identity = {"history": history, "target": hashlib.sha256(uri.encode()).hexdigest()}

    def load(self, spool_size: int) -> int:
        """Reads where to go on.

        After a power cut the spool may have lost its last lines, whose rows MLflow already has. All is then sent
        again, which changes nothing there.

        Args:
            spool_size: Bytes of whole lines that the spool has, before anything is appended to it.

        Returns:
            The saved offset, or 0 where none is saved, or it belongs to another history or MLflow, or lies beyond the
            end of the spool.
        """
        try:
            saved = json.loads(self.path.read_text())
            offset = int(saved.pop("offset"))
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):  # none, or a damaged one
            return 0
        return offset if saved == self._identity and 0 <= offset <= spool_size else 0

    def save(self, offset: int) -> None:
        """Replaces the saved offset; where the disk is full the old one stays, and rows will be sent again.

        Args:
            offset: Where to go on, bytes.
        """
        temporary = self.path.with_suffix(".tmp")
        try:
            temporary.write_text(json.dumps({**self._identity, "offset": offset}))
            temporary.replace(self.path)
        except OSError as error:
            _LOG.debug("%s was not written: %s", self.path, error)
