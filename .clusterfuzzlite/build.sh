#!/bin/bash -eu
# Everything is in the project, so that OSS-Fuzz, ClusterFuzzLite and a developer's machine do the
# same.
exec "$SRC/ctxfuzz/fuzz/oss-fuzz/build-targets"
