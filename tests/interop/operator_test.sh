#!/bin/bash
# What an operator does, and is told: federation files, reloads, doctor, and what the command line promises.
# usage: operator_test.sh BIN_FOLDER
. "$(dirname "$0")/daemon_kit.sh"

a_port=$port
for n in a b; do make_node $n; done
exits 0 federation new all.toml
for n in a b; do exits 0 federation add all.toml $n/federation.toml; done

# ---- federation add: what is known of a member holds on, and a key is replaced only when that is said
key_of() { grep -A1 "\"$1.example\"" $2 | sed -n 's/^key = "\(.*\)"/\1/p'; }
shown() { "$bin/presmesh" --json federation show $1; }
revoked=$(printf '1%.0s' $(seq 40))
exits 0 federation revoke all.toml b.example $revoked
exits 0 federation delegate all.toml b.example a.example --domain-key b/domain.key
b_member='"bootstrap":\["[0-9.:]*"\],"revoked":1,"delegates":\["a.example"\]'
shown all.toml | grep -q "$b_member" || fail "revoke and delegate: $(shown all.toml)"
exits 0 federation add all.toml b/federation.toml
shown all.toml | grep -q "$b_member" || fail "adding b again forgot: $(shown all.toml)"
exits 0 federation add all.toml b.example $(key_of b b/federation.toml) --bootstrap 192.0.2.7:4000
shown all.toml | grep -q '"bootstrap":\["192.0.2.7:4000"\],"revoked":1,"delegates":\["a.example"\]' ||
  fail "adding b by its key forgot: $(shown all.toml)"
cp all.toml before.toml
exits 1 federation add all.toml b.example $(key_of a all.toml)
exits 1 federation add all.toml all.toml
exits 1 federation add all.toml all.toml --domain c.example
exits 2 federation add all.toml b.example $(key_of b all.toml) --domain b.example
cmp -s all.toml before.toml || fail "a refused member changed the file"
exits 0 federation add all.toml b.example $(key_of a all.toml) --replace-key
shown all.toml | grep -q '"revoked":1,"delegates":\[\]' || fail "a new key: $(shown all.toml)"
exits 0 federation remove all.toml b.example
exits 0 federation add all.toml before.toml --domain b.example
cmp -s all.toml before.toml || fail "adding b from a file of several"

# ---- delegations: one to each delegate, told with their ends, and taken back for good
delegates() { shown $1 | grep -q '"domain":"b.example".*"delegates":\['"$2"'\]'; }
exits 2 federation delegate all.toml b.example b.example --domain-key b/domain.key
exits 0 federation delegate all.toml b.example a.example --domain-key b/domain.key
cp all.toml year.toml
exits 0 federation delegate all.toml b.example a.example --domain-key b/domain.key --days 7
delegates all.toml '"a.example"' || fail "delegated twice: $(shown all.toml)"
"$bin/presmesh" federation show all.toml | grep -q "published by a.example until $(date -u -d '+7 days -1 hour' +%F)" || fail "show: the delegate and the end"
exits 0 federation add all.toml year.toml --domain b.example
delegates all.toml '"a.example"' || fail "the longer delegation came back: $(shown all.toml)"
exits 0 federation undelegate all.toml b.example a.example
exits 1 federation undelegate all.toml b.example a.example
exits 0 federation add year.toml all.toml --domain b.example
delegates year.toml '' || fail "taken back, and there where the file was shared: $(shown year.toml)"
cp before.toml other.toml
exits 0 federation remove other.toml a.example
grep -q 'delegated to it by b.example' exits.out || fail "removing a delegate: $(cat exits.out)"
delegates other.toml '' || fail "a delegation to one who is no member: $(shown other.toml)"
cp before.toml all.toml

# ---- watch: so many events of all together, and each stream's refusal
start a; pid_a=$pid
a() { timeout 20 "$bin/presmesh" -c a/presmesh.toml "$@"; }
wait_for a status
a publish noisy@a.example --note $'x\nFORGED' >/dev/null || fail "a note of two lines"
[ "$(a get noisy@a.example | wc -l)" = 1 ] || fail "a note forges a line: $(a get noisy@a.example)"
timeout 5 "$bin/presmesh" -c a/presmesh.toml watch ann@a.example amy@a.example abe@a.example --events 2 >events.out 2>&1
[ $? = 0 ] || fail "watch --events: $(cat events.out)"
[ "$(wc -l <events.out)" = 2 ] || fail "watch --events 2: $(cat events.out)"
exits 1 -c a/presmesh.toml watch ann@nowhere.example bert@nowhere.example
[ "$(wc -l <exits.out)" = 2 ] || fail "refused watches: $(cat exits.out)"

# ---- whatever is said and answered, the exit status is one of three, and a refusal has its own name
exits 2 -c a/presmesh.toml rules alice@a.example $'\xff\xfe=allow'
exits 1 --json federation show $'\xff.toml'
exits 2 -c a/presmesh.toml approve alice@a.example $'\xff\xfe'
grep -q '"\\xff\\xfe" is not user@domain' exits.out || fail "a watcher's name: $(cat exits.out)"
for wrong in "get alice" "watch alice@a.example @" "publish a.example" "rules alice@a.example b.example=perhaps" "rules alice@a.example @=allow"; do
  exits 2 -c a/presmesh.toml $wrong
done
# Known to be wrong whatever the node says, and so before it is asked.
misused() { local text=$1; shift; exits 2 "$@"; grep -q -- "$text" exits.out || fail "$*: $(cat exits.out)"; }
misused '--as: "bob" is not user@domain' --url http://127.0.0.1:1 --as bob get alice@a.example
misused '--as: "@" is not user@domain' -c a/presmesh.toml watch alice@a.example --as @
misused 'must be http://host:port, and is "nonsense"' --url nonsense status
PRESMESH_URL=nonsense misused 'must be http://host:port, and is "nonsense"' get alice@a.example
misused '--token: it holds a character' --url http://127.0.0.1:1 --token $'x\r\ny: z' status
PRESMESH_TOKEN='x y' misused 'token holds a character' -c a/presmesh.toml status
misused '--publication: the name is longer than 64 bytes' -c a/presmesh.toml withdraw alice@a.example --publication $(printf 'x%.0s' {1..65})
misused 'over its bound' -c a/presmesh.toml publish alice@a.example --note $(printf 'x%.0s' {1..66000})
misused '--bootstrap: "127.0.0.1:4001" is not host:port' federation add all.toml c.example $(key_of b all.toml) --bootstrap 127.0.0.1:4001
misused '"not a domain" is not a domain' federation remove all.toml 'not a domain'
misused '"not a domain" is not a domain' federation undelegate all.toml b.example 'not a domain'
exits 2 nosuch
grep -q 'there is no command nosuch' exits.out || fail "an unknown command: $(cat exits.out)"
exits 2 federation nosuch
grep -q 'there is no command nosuch' exits.out || fail "an unknown command: $(cat exits.out)"
"$bin/presmesh" -c a/presmesh.toml get alice@a.example >/dev/full 2>exits.out
[ $? = 1 ] && grep -q 'cannot write the answer: No space' exits.out || fail "an answer that cannot be written: $(cat exits.out)"
"$bin/presmeshd" --help | grep -q '^Exit status: 0 .* 1 .* 2 ' || fail "presmeshd --help: exit statuses"

# ---- a config whose files are not what they should be
says() { sed "s|^$1 = .*|$1 = \"$2\"|" a/presmesh.toml >a/wrong.toml; "$bin/presmeshd" -c a/wrong.toml --check-config >exits.out 2>&1; [ $? = 2 ] && grep -q "$3" exits.out || fail "$1 = $2: $(cat exits.out)"; }
says key nowhere 'the node key is missing: cannot open'
says key node.cert 'the node key is wanted here, and this is a certificate'
says certificate node.key 'the certificate is wanted here, and this is a key'
says domain '' 'domain must not be empty'
[ "$(wc -l <exits.out)" = 1 ] || fail "an empty domain: $(cat exits.out)"
says state nowhere/x ':7: \[node\] state: the folder'
cp a/federation.toml own.toml
id_of() { "$bin/presmesh" --json -c $1/presmesh.toml status | sed -n 's/.*"node":"\([0-9a-f]*\)","epoch".*/\1/p'; }
exits 0 federation revoke own.toml a.example $(id_of a)
says federation ../own.toml 'refused by every node (revoked)$'
exits 1 --json -c a/presmesh.toml --token not-one-of-the-tokens status
grep -q '"error":"unauthorized"' exits.out || fail "a wrong token: $(cat exits.out)"
exits 1 --json -c a/presmesh.toml --as ann@a.example get alice@nowhere.example
grep -q '"error":"not_admitted"' exits.out || fail "a stranger's domain: $(cat exits.out)"
for what in get watch; do
  exits 1 -c a/presmesh.toml $what bert@b.example
  grep -q -- 'presmesh --as user@domain' exits.out || fail "$what as nobody in particular: $(cat exits.out)"
done
/usr/bin/python3 - $((port + 7)) <<'END' &
import http.server, sys
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"data: <p>some other program\n")
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Page).serve_forever()
END
page=$!; pids+=($page)
other() { timeout 20 "$bin/presmesh" --url http://127.0.0.1:$((port + 7)) --token x "$@" >other.out 2>&1; }
told_so() { other status; [ $? = 1 ] && grep -q 'is not JSON' other.out; }
wait_for told_so
for what in "get alice@a.example" "watch alice@a.example"; do
  other $what; [ $? = 1 ] || fail "exit status of $what at another program: $(cat other.out)"
  grep -q 'is not JSON' other.out || fail "$what at another program: $(cat other.out)"
done
kill $page; wait $page

# ---- a token taken away ends what it opened
echo "carols-very-own-token carol@a.example read" >>a/tokens
kill -HUP $pid_a
wait_for a --token carols-very-own-token get alice@a.example
a --token carols-very-own-token watch alice@a.example >carol.out 2>&1 & carol=$!; pids+=($carol)
wait_for grep -q alice carol.out
sed -i '/^carols/d' a/tokens
kill -HUP $pid_a
ended() { ! kill -0 $1; }
wait_for ended $carol

# Both know where the other one is: who starts anew finds back at once, whichever it was.
sed "s/192.0.2.7:4000/127.0.0.1:$((a_port + 8))/" all.toml >a/federation.toml
cp a/federation.toml b/federation.toml
kill -HUP $pid_a
start b; pid_b=$pid
healthy() { a doctor >doctor.out; }
finds() { ! a doctor >doctor.out && grep -q "^FAULT $1" doctor.out; }
wait_for healthy

# ---- secrets that others can read, and a domain key on the node
grep -q '^note .*domain.key lies on this node' doctor.out || fail "the domain key on the node: $(cat doctor.out)"
grep -q 'domain key lies on the node' a.log || fail "the log says nothing of the domain key"
chmod 644 a/node.key
finds "secrets: .*node.key .*0644" || fail "a node key that all can read: $(cat doctor.out)"
chmod 600 a/node.key
mv a/domain.key a/kept.key
a doctor | grep -q '^note' && fail "a domain key that is not there"
mv a/kept.key a/domain.key

# ---- doctor finds its config as the other commands do, and asks only the daemon's own ports
cp a/presmesh.toml a/elsewhere.toml
sed -i 's/^listen = "127.0.0.1:'$a_port'"/listen = "192.0.2.1:'$a_port'"/' a/elsewhere.toml
PRESMESH_CONFIG=a/elsewhere.toml timeout 20 "$bin/presmesh" doctor >doctor.out && fail "a port of another host: $(cat doctor.out)"
grep -q '^FAULT port: .*192.0.2.1' doctor.out || fail "a port of another host: $(cat doctor.out)"
grep -q '^ok .* daemon: runs for a.example' doctor.out || fail "PRESMESH_CONFIG: $(cat doctor.out)"

# ---- a daemon that takes the connection and says nothing: the command ends, and says so
kill -STOP $pid_b
timeout 20 "$bin/presmesh" -c b/presmesh.toml status 2>silent.out
[ $? = 1 ] || fail "exit status at a silent daemon: $(cat silent.out)"
grep -q 'does not answer' silent.out || fail "a silent daemon: $(cat silent.out)"
kill -CONT $pid_b

# ---- the certificate that the node runs with, against that of the file
renew() { "$bin/presmesh" node-cert a.example --domain-key a/domain.key --node-key a/node.key --out a/node.cert "$@" >/dev/null || fail node-cert; }
again() { kill $pid_a; wait $pid_a; start a; pid_a=$pid; wait_for healthy; }
renew --days 10
again_soon() { kill $pid_a; wait $pid_a; start a; pid_a=$pid; wait_for a status; }
again_soon
grep -q 'runs out soon.*days=9' a.log || fail "the log says nothing of the certificate's end"
finds "certificate: good for 9 more days" || fail "a certificate that ends soon: $(cat doctor.out)"
renew --days 50
again
renew --days 100
kill -HUP $pid_a
wait_for grep -q 'another certificate than the file holds' a.log
finds "restart: .*: restart it" || fail "a renewed certificate that is not used: $(cat doctor.out)"
again
id=$(a status | sed -n 's/^node *\([0-9a-f]*\) of.*/\1/p')
mv a/node.key a/old.key
renew
for n in a b; do exits 0 federation revoke $n/federation.toml a.example $id; done
kill -HUP $pid_a $pid_b
wait_for grep -q 'refused by every member now.*revoked' a.log
finds "restart: .*: restart it" || fail "a revoked certificate that is used: $(cat doctor.out)"
again

# ---- the federation file in use, against the file
exits 0 federation revoke a/federation.toml b.example ${revoked//1/2}
finds "reload: .*SIGHUP" || fail "a revocation that is not in use yet: $(cat doctor.out)"
kill -HUP $pid_a
wait_for healthy

# ---- SIGHUP: each file by itself, what waits for a restart by its name, and the log always anew
cp a/presmesh.toml a/good.toml
cp a/federation.toml a/good.federation
sed 's/^\[log\]/[log]\nfile = "daemon.log"/' a/good.toml >a/presmesh.toml
kill -HUP $pid_a
wait_for grep -q 'reloaded parts=' a/daemon.log
mv a/daemon.log a/daemon.log.1
echo "daves-very-own-token dave@a.example read" >>a/tokens
echo nonsense >>a/federation.toml
sed -i 's/^state = /shards = 2\ncrash_bound = "9s"\nstate = /' a/presmesh.toml
kill -HUP $pid_a
wait_for grep -q 'restart.*keys="\[node\] crash_bound, \[node\] shards"' a/daemon.log
wait_for grep -q 'not reloaded: .*federation.toml:' a/daemon.log
wait_for a --token daves-very-own-token get alice@a.example
cp a/good.federation a/federation.toml
sed -i '/^daves/d' a/tokens
mv a/daemon.log a/daemon.log.2
echo 'nonsense' >>a/presmesh.toml
kill -HUP $pid_a
wait_for grep -q 'reloaded parts="federation, delegations, tokens"' a/daemon.log
grep -q 'not reloaded: a/presmesh.toml:' a/daemon.log || fail "the faulty config: $(cat a/daemon.log)"
cp a/good.toml a/presmesh.toml
exits 1 -c a/presmesh.toml --token daves-very-own-token get alice@a.example
kill -HUP $pid_a
wait_for healthy

# ---- a translator for a domain that nobody delegated to us
cp a/presmesh.toml a/good.toml
exits 0 federation remove a/federation.toml b.example
exits 0 federation add a/federation.toml b.example $(key_of b all.toml) --bootstrap 127.0.0.1:$((a_port + 8))
cat >>a/presmesh.toml <<END
[[sip]]
mode = "serve"
domains = ["b.example"]
listen = "127.0.0.1:$((port + 6))"
END
kill $pid_a; wait $pid_a; start a; pid_a=$pid
wait_for grep -q 'not delegated to this node.*domain=b.example' a.log
finds "domain: .*b.example" || fail "a domain that is not delegated: $(cat doctor.out)"
exits 0 federation delegate a/federation.toml b.example a.example --domain-key b/domain.key
kill -HUP $pid_a
wait_for healthy
mv a/good.toml a/presmesh.toml

# ---- an attached server that is away, or refuses us, is told of
cat >>a/presmesh.toml <<END
[[xmpp]]
domain = "a.example"
server = "127.0.0.1:$((port + 5))"
components = [{ host = "b.example", secret = "never asked for" }]
END
kill $pid_a; wait $pid_a; start a; pid_a=$pid
wait_for grep -q 'is not to be had link=xmpp.a.example/b.example why=connection-refused' a.log
finds "link: xmpp.a.example/b.example is down .*connection-refused" || fail "an attached server that is away: $(cat doctor.out)"
[ "$(grep -c 'is not to be had' a.log)" = 1 ] || fail "each attempt is in the log"
a status | grep -q 'link.*down' || fail "status says nothing of the link"

# ---- a disk that is full: what cannot be saved is refused, the daemon ends, and what was acknowledged is there again
grep -q '^ok .* space: ' doctor.out || fail "doctor says nothing of the disk"
kill $pid_a; wait $pid_a
(trap '' XFSZ; ulimit -f $(($(du -k a/state.sqlite | cut -f1) + 40)); exec "$bin/presmeshd" --config a/presmesh.toml 2>full.log) & pid_a=$!; pids+=($pid_a)
wait_for a status
said=0
while a publish full@a.example --note "$said $(head -c 2000 /dev/zero | tr '\0' x)" >full.out 2>&1; do said=$((said + 1)); [ $said -lt 500 ] || fail "a full disk is not noticed"; done
grep -q 'answered 503 (unavailable)' full.out || fail "a full disk: $(cat full.out)"
wait $pid_a; [ $? = 1 ] || fail "exit status with a full disk"
grep -q 'cannot save' full.log || fail "a full disk: $(cat full.log)"
start a; pid_a=$pid
wait_for a status
a get full@a.example | grep -q "\"$((said - 1)) " || fail "what was acknowledged is lost: $(a get full@a.example)"

kill $pid_a $pid_b
wait $pid_a $pid_b
echo "1 passed, 0 failed"
