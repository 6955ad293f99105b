"""What jobs on engines are called from their start on: a scheme, and what the engine calls them.

A workload of DGX Cloud is called by its address. What has none of these schemes NeMo-Run's own
schedulers know.
"""

from __future__ import annotations

KUBEFLOW = "kubeflow"
KUBERAY = "kuberay"
LEPTON = "lepton"
DGXCLOUD = ("http", "https")

# Beside the request to start a job: what it is called, for whoever asks after a killed command.
HANDLE_FILE = "handle"
