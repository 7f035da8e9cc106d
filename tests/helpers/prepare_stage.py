"""The beginning of a dvc.yaml for tests that run `prepare` on drawn faces; other stages follow."""

PREPARE = """
stages:
  prepare:
    foreach: ${benchmarks}
    do:
      cmd: python -m aru prepare
      deps: ["data/faces.zip", suppression.jsonl]
      params: ["${key}.data"]
      outs:
        - "work/${key}/prepared/manifest.csv": {remote: store}
        - "work/${key}/prepared/images.npy": {remote: store}
        - "work/${key}/prepared/labels.json": {remote: store}
        - "work/${key}/prepared/audit.json": {remote: store}
        - "work/${key}/prepared/training.csv": {remote: store}
"""
