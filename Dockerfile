# Images of the operator and of worker pods. docs/images.md says what is in them and how to build.
#   docker build --target operator --tag REGISTRY/paralleljob-operator:VERSION .
#   docker build --target worker --tag REGISTRY/paralleljob-worker:VERSION .
ARG BASE=docker.io/library/debian:12-slim

# --- Compiler and libraries: the part that only a change of packages makes again ------------------
FROM ${BASE} AS tools
RUN apt-get update -q \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
      ccache cmake g++ libcli11-dev libcpp-httplib-dev libfmt-dev libre2-dev libspdlog-dev \
      libsqlite3-dev libssl-dev libyaml-cpp-dev ninja-build nlohmann-json3-dev pkg-config \
      pybind11-dev python3-dev zlib1g-dev \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb
# Folders and settings as ./dev has them: both hit the same compiler cache. LANG is one: a compiler's
# messages are part of its result.
ENV LANG=C.UTF-8 CCACHE_DIR=/ccache CCACHE_MAXSIZE=4G CCACHE_BASEDIR=/work CCACHE_NOHASHDIR=1

# --- Our programs; nothing else is compiled -------------------------------------------------------
FROM tools AS build
WORKDIR /work
COPY . src
# Empty: as many compilers as the machine has cores.
ARG JOBS=
RUN --mount=type=cache,id=paralleljob-ccache,target=/ccache \
    cmake -S src -B release -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DPJ_BUILD_TESTS=OFF \
      -DPython3_EXECUTABLE=/usr/bin/python3 -DPYTHON_EXECUTABLE=/usr/bin/python3 \
 && cmake --build release -j "${JOBS:-$(nproc)}" --target \
      paralleljob-operator paralleljob-worker paralleljob-host pj_python_runtime \
 && sh src/cmake/image_root.sh release /image \
 && rm -rf release

# --- What runs in the operator's pod --------------------------------------------------------------
FROM scratch AS operator
COPY --from=build /image/operator/ /
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/paralleljob-operator"]
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="paralleljob-operator" \
      org.opencontainers.image.description="Reconciles ParallelJobs into pods" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# --- What runs in worker pods beside the user's image ---------------------------------------------
FROM scratch AS worker
COPY --from=build /image/worker/ /
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/paralleljob-worker"]
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="paralleljob-worker" \
      org.opencontainers.image.description="Installer, agent and finaliser of ParallelJobs' pods" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
