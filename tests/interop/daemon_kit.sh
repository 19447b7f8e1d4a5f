# What the tests of whole daemons share; sourced with BIN_FOLDER: a folder of their own, where they then are, and
# daemons that end with the test.
set -u
bin=$1
dir=$(mktemp -d)
pids=()
trap 'for p in "${pids[@]}"; do kill -9 "$p" 2>/dev/null; done; rm -rf "$dir"' EXIT
fail() { echo "FAILED: $*"; cat "$dir"/*.log 2>/dev/null; exit 1; }
port=$((20000 + ($$ % 2000) * 8))
cd "$dir" || exit 1

# make_node NAME: a provider NAME.example in the folder NAME.
make_node() {
  "$bin/presmesh" init $1.example --dir $1 --advertise 127.0.0.1:$port --http 127.0.0.1:$((port + 1)) >/dev/null || fail init $1
  port=$((port + 8))
}
# exits STATUS ARGUMENT...: presmesh ends with it.
exits() { local want=$1; shift; "$bin/presmesh" "$@" >exits.out 2>&1; [ $? = $want ] || fail "exit status of: $* ($(cat exits.out))"; }
start() { "$bin/presmeshd" --config $1/presmesh.toml 2>>$1.log & pid=$!; pids+=($pid); }
wait_for() { for _ in $(seq 100); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done; fail "$*"; }
