"""Start a script as the driver of a Ray cluster."""

from __future__ import annotations

import shlex

from nemo_runspec.execution.launching.request import LaunchRequest


def start_ray(request: LaunchRequest) -> str:
    """Bash that becomes the driver."""
    address = request.ray_address
    known = [] if address is None else [f"export RAY_ADDRESS={shlex.quote(address)}"]
    return "\n".join((*known, f'exec "$python" {shlex.join(request.words)}'))
