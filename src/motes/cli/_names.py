"""Names of files that are made from the names of videos and clips."""

import hashlib
import os
import re

LONGEST = 180
"""Bytes of a name, so that a suffix and a few more characters fit."""


def file_name(text: str) -> str:
    """A name that every file system takes; different texts give different names.

    Characters other than letters, digits, ``_``, ``-``, ``.`` and spaces become ``%XX``; so does a
    dot at the start.  Long names end in a hash.
    """
    name = re.sub(r"[^\w. -]|^\.", lambda found: f"%{ord(found[0]):02X}", text)
    if len(os.fsencode(name)) <= LONGEST:
        return name
    digest = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:8]
    return os.fsencode(name)[:LONGEST].decode(errors="ignore") + "-" + digest
