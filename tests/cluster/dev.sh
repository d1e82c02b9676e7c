# shellcheck shell=bash disable=SC2154  # sourced by ./dev, which sets what is not set here
# ./dev's commands that need a real Kubernetes on this machine.

cannot_run=77  # the exit code for a machine without root or without the kernel's features

# Only root can use them; without root, `check` says so.
set_up_cluster() {
  if [[ $(id -u) != 0 ]]; then return; fi
  exec 9>"$cache/setup.lock"
  flock 9
  need_packages g++ python3-venv util-linux "${cluster_packages[@]}"
  flock -u 9
}

run_cluster() {
  "$system_python" "$root/tests/cluster/cluster.py" --cache "$cache" --name "$tree_hash" "$@"
}

cmd_cluster() {
  mkdir -p "$cache"
  case ${1:-} in
    up) set_up_cluster && run_cluster check ;;  # before ten minutes of building
    build | check) set_up_cluster ;;
  esac
  # `exec paralleljob …` means this tree's, once it is built.
  PATH=$builds/release/cli:$PATH run_cluster "${@:---help}"
}

clusterless=

# cluster_tests REGEX: on a real Kubernetes, where the machine can hold one.
cluster_tests() {
  local only=$1 code=0 collected
  if [[ -n $only ]]; then
    collected=$("$venv/bin/python3" -m pytest -q -p no:cacheprovider --rootdir "$root" \
      --collect-only --only "$only" "$root/tests/cluster" || true)
    if [[ $collected != *::* ]]; then return; fi
  fi
  part "set up: cluster" set_up_cluster
  run_cluster check || code=$?
  if ((code == 0)); then build_or_record "build: Kubernetes (once)" run_cluster build; fi
  part "test: cluster" cluster_halves "$only"
  if ((code == cannot_run)); then clusterless=1; fi
}

# Tests on the cluster of nodes mostly wait, and so do those on the control plane.
cluster_halves() {
  local only=$1 log=$results/pytest-cluster-plane.log
  pytests pytest-cluster-plane "$only" "$root/tests/cluster" --half plane >"$log" 2>&1 &
  pytests pytest-cluster "$only" "$root/tests/cluster" --half nodes
  wait "$!"
  cat "$log"
}

# What a reader of the last lines must not miss.
warn_clusterless() {
  if [[ -z $clusterless ]]; then return; fi
  printf '\n!!! THE CLUSTER TESTS DID NOT RUN: this machine cannot hold a cluster (see above).\n'
  printf '!!! Nothing that needs a real Kubernetes was tested.\n\n'
}

# On a real Kubernetes of this machine, which stays up.
cmd_demo_cluster() {
  part "set up" setup "${build_packages[@]}"
  part "set up: cluster" set_up_cluster
  run_cluster check
  lock_tree
  part "build: release" build release paralleljob pj_python_runtime
  part "demo" env PARALLELJOB="$builds/release/cli/paralleljob" "$venv/bin/python3" \
    "$root/tests/cluster/cluster_demo.py" --cache "$cache" --name "$tree_hash" \
    --data "$cache/demo/data" --output "$cache/demo/$tree_hash-cluster"
  print_parts
}

# What operator and worker pods cost on a real Kubernetes.
cmd_bench_cluster() {
  part "set up" setup "${build_packages[@]}"
  part "set up: cluster" set_up_cluster
  run_cluster check
  run_cluster build
  lock_tree
  part "build: release" build release
  part "bench" env PARALLELJOB="$builds/release/cli/paralleljob" \
    PARALLELJOB_BUILD="$builds/release" "$venv/bin/python3" \
    "$root/tests/bench/cluster_bench.py" --cache "$cache" "$@"
  print_parts
}
