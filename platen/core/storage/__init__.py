"""Where committed folders lie: a local path, or a bucket.

A store knows nothing of stages. Its one promise is the commit: a folder is seen whole, with its manifest, or not at
all, and the first commit of a name wins.
"""

from platen.core.storage.local import LocalStore, saving, write_file
from platen.core.storage.store import Store, exists, is_local, join, local_copy, scratch, store_for, try_writing

__all__ = [
    "LocalStore",
    "Store",
    "exists",
    "is_local",
    "join",
    "local_copy",
    "saving",
    "scratch",
    "store_for",
    "try_writing",
    "write_file",
]
