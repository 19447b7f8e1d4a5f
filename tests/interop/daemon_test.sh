#!/bin/bash
# Two real presmeshd on loopback: publish at one, watch at the other, approve, kill -9 and restart, clean stop.
# usage: daemon_test.sh BIN_FOLDER
set -u
bin=$1
dir=$(mktemp -d)
pids=()
trap 'for p in "${pids[@]}"; do kill -9 "$p" 2>/dev/null; done; rm -rf "$dir"' EXIT
fail() { echo "FAILED: $*"; cat "$dir"/*.log; exit 1; }
port=$((20000 + ($$ % 2000) * 8))
cd "$dir" || exit 1

for n in a b; do
  "$bin/presmesh" init $n.example --dir $n --advertise 127.0.0.1:$port --http 127.0.0.1:$((port + 1)) >/dev/null || fail init $n
  port=$((port + 8))
done
"$bin/presmesh" init a.example --dir a >/dev/null 2>&1 && fail "init overwrote"
"$bin/presmesh" federation add a/federation.toml b/federation.toml >/dev/null || fail federation
cp a/federation.toml b/federation.toml

usage() { "$bin/presmesh" "$@" >/dev/null 2>&1; [ $? = 2 ] || fail "exit status of: $*"; }
usage init c.example --dir c --advertise nonsense
usage init c.example --dir c --advertise 127.0.0.1:4001
usage init c.example --dir c --http nonsense
usage init 'not a domain' --dir c
usage node-cert 'not a domain'
usage federation add a/federation.toml c.example 1234
usage federation revoke a/federation.toml a.example 1234
usage rules alice@a.example nobody
[ ! -e c ] || fail "init with wrong arguments left a folder"

start() { "$bin/presmeshd" --config $1/presmesh.toml 2>>$1.log & pid=$!; pids+=($pid); }
a() { "$bin/presmesh" -c a/presmesh.toml "$@"; }
b() { "$bin/presmesh" -c b/presmesh.toml --as bob@b.example "$@"; }
wait_for() { for _ in $(seq 100); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done; fail "$*"; }
start a; pid_a=$pid
start b; pid_b=$pid
wait_for a status
wait_for b status

a publish alice@a.example --show away --note lunch >/dev/null || fail publish
a rules alice@a.example b.example=allow >/dev/null || fail rules
sees() { b get alice@a.example | grep -q "$1"; }
wait_for sees 'open away "lunch"'
b watch alice@a.example >watch.out 2>&1 & watcher=$!; pids+=($watcher)
wait_for grep -q lunch watch.out
a publish alice@a.example --show dnd --note busy >/dev/null || fail "second publish"
wait_for grep -q 'open dnd "busy"' watch.out

# SIGHUP: [presence] acts at once; a broken file changes nothing, and every fault is said.
b get carol@a.example 2>&1 | grep -q pending || fail "carol is not asked for"
a publish carol@a.example --show chat >/dev/null || fail "publish carol"
cp a/presmesh.toml a/good.toml
sed -i 's/^default_rule = .*/allow = ["@"]\ndefault_rul = "allow"/' a/presmesh.toml
kill -HUP $pid_a
wait_for grep -q 'default_rul' a.log
grep -q 'not reloaded.*allow must name' a.log || fail "the first fault is not said"
b get carol@a.example 2>&1 | grep -q pending || fail "a broken file changed something"
sed 's/^default_rule = .*/default_rule = "allow"/' a/good.toml >a/presmesh.toml
kill -HUP $pid_a
sees_carol() { b get carol@a.example | grep -q 'open chat'; }
wait_for sees_carol

kill -9 $pid_a
start a; pid_a=$pid
wait_for a status
a get alice@a.example | grep -q 'open dnd "busy"' || fail "the publication is gone"
a rules alice@a.example | grep -q 'b.example  allow' || fail "the rule is gone"
wait_for sees 'open dnd "busy"'

kill $pid_a $pid_b
wait $pid_a; [ $? = 0 ] || fail "a did not stop cleanly"
wait $pid_b; [ $? = 0 ] || fail "b did not stop cleanly"
"$bin/presmeshd" --config nowhere.toml 2>/dev/null; [ $? = 2 ] || fail "exit status of a faulty config"
echo "1 passed, 0 failed"
