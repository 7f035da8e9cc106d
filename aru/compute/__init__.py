"""Where the arithmetic runs: devices, worker processes, the queue of work, keys of content."""
