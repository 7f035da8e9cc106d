"""Prefect's result records read and written as plain JSON, whatever a record says of itself.

A record names the serializer that reads it: pickle by default, or JSON whose library and decoder are imported by name. Whoever
can put a file into the results folder could so have code executed by a look-up in the cache. Imported for its effect by the
module whose tasks are cached: a record that wants anything else counts as not there, and its stage is computed again.
"""

import json
from typing import Any, NoReturn

from prefect.serializers import CompressedSerializer, JSONSerializer, PickleSerializer


def _refuse(self: Any, content: Any) -> NoReturn:
    raise ValueError(f"results are plain JSON here; {self.type!r} is neither read nor written")


def _loads(self: JSONSerializer, blob: bytes) -> Any:
    return json.loads(blob)


for _serializer in (PickleSerializer, CompressedSerializer):  # the second wraps any other, and imports its library by name
    _serializer.dumps = _serializer.loads = _refuse  # type: ignore[method-assign, assignment]
JSONSerializer.loads = _loads  # type: ignore[method-assign]
