# shellcheck shell=bash disable=SC2154
# The sanitizer builds' part of `./dev test`; ./dev reads this file.

# Not all: what has no threads is not compiled once more.
thread_tests=(base_test plan_test kube_test worker_test pod_test cli_test report_test operator_test)

# sanitized PRESET [TARGET…]: builds, and runs what there is to run.
sanitized() {
  local preset=$1 targets=()
  shift
  build_or_record "build: $preset" build "$preset" "$@"
  mapfile -t targets < <(find "$builds/$preset" -name '*_test' -type f -perm -u+x | sort)
  if ((${#targets[@]} == 0)); then
    record_failure "$preset" "no test program was built"
    return
  fi
  part "test: $preset" native "$preset" ""
  part "test: $preset, end to end" sanitized_run "$preset"
  if [[ $preset == asan ]]; then part "test: asan, native module of Python" sanitized_module; fi
}

# watched NAME OPTIONS ARGUMENT…: pytest over sanitized programs. Each report of a sanitizer becomes
# a file; tests/conftest.py blames the test that ran, and a late one counts, too. A program that a
# second Ctrl-C ends at once has no time to join its threads.
watched() {
  local name=$1 options=$2 reports=$results/reports-$1
  shift 2
  mkdir -p "$reports"
  options+=:log_path=$reports/report
  pytest_env+=(
    "PJ_SANITIZER_REPORTS=$reports" "ASAN_OPTIONS=$options:strict_string_checks=1"
    "UBSAN_OPTIONS=print_stacktrace=1:log_path=$reports/report"
    "TSAN_OPTIONS=second_deadlock_stack=1:report_thread_leaks=0:log_path=$reports/report"
  )
  pytests "pytest-$name" "" "$@"
  pytest_env=()
  grep -q '<testcase' "$results/pytest-$name.xml" || record_failure "$name" "no test ran"
  if compgen -G "$reports/report.*" >/dev/null; then
    cat "$reports"/report.*
    record_failure "$name" "a sanitizer reported after the last test"
  fi
}

# The whole program. Its slots are ordinary Python with the ordinary module.
sanitized_run() {
  pytest_env=(
    "PARALLELJOB=$builds/$1/cli/paralleljob" "PARALLELJOB_RUNTIME=$builds/release/python_runtime"
  )
  watched "$1" detect_stack_use_after_return=1 "$root/tests/e2e" -m sanitized
}

# Python itself is not sanitized: the runtimes come first by preloading, its own leaks are not
# asked for, and its objects lie in memory that is watched.
sanitized_module() {
  pytest_env=(
    "PJ_PYTHON_RUNTIME=$builds/asan/python_sanitized" PYTHONMALLOC=malloc
    "LD_PRELOAD=$(g++ -print-file-name=libasan.so) $(g++ -print-file-name=libstdc++.so)"
  )
  watched asan-module detect_leaks=0 "$root/tests/python" -k 'not pure' \
    --ignore "$root/tests/python/test_build.py"
}

# Configures the tsan build, then names the thread tests that exist.
configured_thread_tests() {
  configure tsan >&2
  existing_targets "$builds/tsan" "${thread_tests[@]}"
}
