#!/bin/bash
# Two real presmeshd on loopback: publish at one, watch at the other, approve, kill -9 and restart, clean stop.
# usage: daemon_test.sh BIN_FOLDER
. "$(dirname "$0")/daemon_kit.sh"

for n in a b; do make_node $n; done
"$bin/presmesh" init a.example --dir a >/dev/null 2>&1 && fail "init overwrote"
"$bin/presmesh" federation add a/federation.toml b/federation.toml >/dev/null || fail federation
cp a/federation.toml b/federation.toml

exits 2 init c.example --dir c --advertise nonsense
exits 2 init c.example --dir c --advertise 127.0.0.1:4001
exits 2 init c.example --dir c --http nonsense
exits 2 init c.example --dir c --advertise 0.0.0.0:4000
exits 2 init c.example --dir c --http 192.0.2.1:8470
exits 2 init 'not a domain' --dir c
exits 2 node-cert 'not a domain'
exits 2 federation add a/federation.toml c.example 1234
exits 2 federation revoke a/federation.toml a.example 1234
exits 2 rules alice@a.example nobody
[ ! -e c ] || fail "init with wrong arguments left a folder"

a() { "$bin/presmesh" -c a/presmesh.toml "$@"; }
b() { "$bin/presmesh" -c b/presmesh.toml --as bob@b.example "$@"; }
start a; pid_a=$pid
start b; pid_b=$pid
wait_for a status
wait_for b status

a publish alice@a.example --show away --note lunch >/dev/null || fail publish
a rules alice@a.example b.example=allow >/dev/null || fail rules
sees() { b get alice@a.example | grep -q "$1"; }
wait_for sees 'open away "lunch"'
"$bin/presmesh" -c b/presmesh.toml --as bob@b.example watch alice@a.example >watch.out 2>&1 & watcher=$!; pids+=($watcher)
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

"$bin/presmesh" -c a/presmesh.toml watch alice@a.example >restart.out 2>restart.err & follower=$!; pids+=($follower)
wait_for grep -q busy restart.out
kill -9 $pid_a
wait_for grep -q 'asking again until it is back' restart.err
start a; pid_a=$pid
wait_for a status
wait_for grep -q 'is back' restart.err
seen_twice() { [ "$(grep -c busy restart.out)" -ge 2 ]; }
wait_for seen_twice
[ "$(wc -l <restart.err)" = 2 ] || fail "watch over a restart: $(cat restart.err)"
kill $follower
a get alice@a.example | grep -q 'open dnd "busy"' || fail "the publication is gone"
a rules alice@a.example | grep -q 'b.example  allow' || fail "the rule is gone"
wait_for sees 'open dnd "busy"'

kill $pid_a $pid_b
wait $pid_a; [ $? = 0 ] || fail "a did not stop cleanly"
wait $pid_b; [ $? = 0 ] || fail "b did not stop cleanly"
"$bin/presmeshd" --config nowhere.toml 2>/dev/null; [ $? = 2 ] || fail "exit status of a faulty config"
echo "1 passed, 0 failed"
