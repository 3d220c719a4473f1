"""Release a model that was promoted: try it in a real server, then switch the pointer."""

from platen.core.declaration import Declaration

DECLARATION = Declaration(
    summary="Test a model on a real server, then make it live.",
    settings="DeploySettings",
    section="how a release is checked",
    pod="light",
)
