#!/bin/bash
# scripts/install, with an apt-get of the test's own: a server that comes with it is not started with the system, one that
# was there before is left as it is.
# usage: install_test.sh
set -u
install=$(cd "$(dirname "$0")/../../scripts" && pwd)/install
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "FAILED: $*"; cat "$dir"/out "$dir"/disabled 2>/dev/null; exit 1; }
export DIR=$dir PATH=$dir/bin:$PATH DPKG_ROOT=$dir/root
mkdir -p "$dir/bin"

stub() { { echo '#!/bin/bash'; cat; } >"$dir/bin/$1"; chmod 755 "$dir/bin/$1"; }
stub id <<<'echo 0'
stub dpkg-query <<'END'
grep -qx "${!#}" "$DIR/installed" && echo "install ok installed"
END
stub systemctl <<'END'
echo "${!#}" >>"$DIR/disabled"
END
stub update-rc.d <<'END'
echo "$1 $2" >>"$DIR/disabled"
END
# What Debian's packages bring: ejabberd brings erlang-base, whose epmd listens.
stub apt-get <<'END'
[ "$1" = install ] || exit 0
[ -x "$DPKG_ROOT/usr/sbin/policy-rc.d" ] || { echo "no policy"; exit 1; }
unit() { touch "$DPKG_ROOT/lib/systemd/system/$1"; }
for package in "$@" $EXTRA; do
  case "$package" in
    -*|install) continue ;;
    kamailio|prosody) unit "$package.service"; touch "$DPKG_ROOT/etc/init.d/$package" ;;
    erlang-base) unit epmd.service; unit epmd.socket ;;
  esac
  echo "$package" >>"$DIR/installed"
done
[ -z "$BREAKS" ] || exit 1
END

# installs STATUS BEFORE...: scripts/install where these were there before.
installs() {
  local want=$1; shift
  rm -rf "$DPKG_ROOT"; mkdir -p "$DPKG_ROOT"/{lib/systemd/system,etc/init.d,usr/sbin}
  printf '%s\n' "$@" >"$dir/installed"
  for there in "$@"; do touch "$DPKG_ROOT/lib/systemd/system/$there.service" "$DPKG_ROOT/etc/init.d/$there"; done
  : >"$dir/disabled"
  "$install" demo >"$dir/out" 2>&1; [ $? = $want ] || fail "status of scripts/install, with: $*"
  [ ! -e "$DPKG_ROOT/usr/sbin/policy-rc.d" ] || fail "the policy is left behind"
}
disabled() { [ "$(tr '\n' ',' <"$dir/disabled")" = "$1" ] || fail "expected disabled: $1"; }
export EXTRA="" BREAKS=""

installs 0
disabled "kamailio.service,kamailio disable,prosody.service,prosody disable,"
grep -q "not started with the system.*: kamailio.service prosody.service$" "$dir/out" || fail "nobody is told"

installs 0 kamailio
disabled "prosody.service,prosody disable,"
! grep -q kamailio.service "$dir/out" || fail "tells of what it did not do"

installs 0 kamailio prosody
disabled ""

EXTRA=erlang-base installs 0 kamailio prosody
disabled "epmd.service,epmd.socket,"

BREAKS=yes installs 1 prosody
disabled "kamailio.service,kamailio disable,"
echo "install_test: good"
