"""Settings of gunicorn, which reads this file from the folder it is started in."""

import os
import shutil
import tempfile
from typing import Any

from web.logs import CLOUD_CONFIG, on_google_cloud

# One process by default, since each has its own deck; WEB_CONCURRENCY=4 starts four.
# Half of the threads may wait for storage (READERS in web/site.py), the others send pages from memory. More threads compete
# for the GIL and raise the 99th percentile of latency (benchmarks/serve.py).
threads = 4
worker_class = "web.worker.Worker"
worker_connections = 256  # of each worker; slow clients hold connections, not threads
keepalive = 30  # seconds
graceful_timeout = 10
limit_request_line = 2048
limit_request_fields = 64
forwarder_headers = ""  # otherwise visitors could set SCRIPT_NAME and PATH_INFO by headers that some proxies pass on
control_socket_disable = True  # it would write to the home folder

if on_google_cloud():
    logconfig_dict = CLOUD_CONFIG

if os.environ.get("METRICS") == "1":  # where the workers add up their numbers, see web/metrics.py
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="metrics-")

    def child_exit(server: Any, worker: Any) -> None:
        """Stop showing the state of a worker that has ended."""
        from web.metrics import forget

        forget(worker.pid)

    def on_exit(server: Any) -> None:
        """Delete the folder of the metrics."""
        shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)
