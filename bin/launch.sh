# Finds a Node.js that is new enough and becomes the program: `exec`, so that signals and exit codes are the program's own.
# Sourced by the launchers with $program and $here (the directory of this file) set.
#
# In this order: $LINKERD_TCP_NODE; the Node.js installed with this package, here or hoisted by the package manager;
# the one on PATH.

package=$(dirname "$here")

# Whether $1 runs on this machine and is at least 26.4.
is_new_enough() {
  version=$("$1" --version 2>/dev/null) || return 1
  version=${version#v}
  major=${version%%.*}
  rest=${version#*.}
  minor=${rest%%.*}
  case $major$minor in '' | *[!0-9]*) return 1 ;; esac
  [ "$major" -gt 26 ] || { [ "$major" -eq 26 ] && [ "$minor" -ge 4 ]; }
}

# Prints the path of the Node.js to use.
find_node() {
  if [ -n "${LINKERD_TCP_NODE:-}" ]; then
    is_new_enough "$LINKERD_TCP_NODE" && echo "$LINKERD_TCP_NODE"
    return
  fi
  # The package's own node_modules, then those it is installed in. No other parent directory is trusted.
  modules=$package/node_modules
  folder=$package
  while :; do
    for candidate in "$modules"/node-linux-*/bin/node "$modules/.bin/node"; do
      if [ -x "$candidate" ] && is_new_enough "$candidate"; then
        echo "$candidate"
        return
      fi
    done
    while [ "$folder" != / ] && [ "$(basename "$folder")" != node_modules ]; do folder=$(dirname "$folder"); done
    [ "$folder" = / ] && break
    modules=$folder
    folder=$(dirname "$folder")
  done
  if is_new_enough node; then command -v node; fi
}

node=$(find_node)
if [ -z "$node" ]; then
  if [ -n "${LINKERD_TCP_NODE:-}" ]; then
    echo "$program: LINKERD_TCP_NODE=$LINKERD_TCP_NODE is not a Node.js 26.4 or newer" >&2
  else
    echo "$program: needs Node.js 26.4 or newer; on PATH is $(node --version 2>/dev/null || echo none)" >&2
    echo "On Linux it comes with the package: npm install (without --omit=optional). Elsewhere see https://nodejs.org," >&2
    echo "or set LINKERD_TCP_NODE to the path of one." >&2
  fi
  exit 70
fi

# A checkout runs from its sources, the published package from what was built.
main=$package/src/cli/$program.ts
if [ ! -e "$package/src" ]; then main=$package/dist/cli/$program.js; fi
# Without --disable-sigusr1, SIGUSR1 would open Node's debugger to every user of this machine.
exec "$node" --disable-sigusr1 --disable-warning=ExperimentalWarning "$main" "$@"
