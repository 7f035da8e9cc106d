"""A Dask scheduler with worker processes in folders of their own, and a server of the S3 protocol, all on the loopback."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.helpers import dask_workers

KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
BUCKET = "cells"


@contextmanager
def s3_server() -> Iterator[dict[str, str]]:
    """An empty bucket `BUCKET` for the length of the block; yields the environment by which it is reached."""
    import boto3
    from moto.server import ThreadedMotoServer
    from s3fs import S3FileSystem

    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # not a line for each request
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    environment = {**KEYS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.get_host_and_port()[1]}"}
    client = boto3.client(
        "s3", endpoint_url=environment["AWS_ENDPOINT_URL"], aws_access_key_id="key", aws_secret_access_key="secret"
    )
    try:
        client.create_bucket(Bucket=BUCKET)
        yield environment
    finally:
        client.close()
        server.stop()
        S3FileSystem.clear_instance_cache()  # they know the endpoint


@contextmanager
def workers_apart(folder: Path, count: int, environment: dict[str, str]) -> Iterator[str]:
    """A scheduler and workers that find nothing of a project: each has a folder of its own; yields the scheduler's address."""
    from distributed import Scheduler, SpecCluster

    options = {"host": "127.0.0.1", "port": 0, "dashboard": False, "dashboard_address": "127.0.0.1:0"}
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | {"OMP_NUM_THREADS": "1"}
    places = [folder / f"worker-{number}" for number in range(count)]
    for place in places:
        place.mkdir(parents=True)
    with SpecCluster(workers={}, scheduler={"cls": Scheduler, "options": options}, silence_logs=True) as cluster:
        process = subprocess.Popen(
            [sys.executable, "-P", dask_workers.__file__, cluster.scheduler_address, *map(str, places)],
            cwd=folder,
            env={**kept, **environment},
        )
        try:
            yield cluster.scheduler_address
        finally:
            process.terminate()
            process.wait()
