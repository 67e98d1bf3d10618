#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# host_shell.sh [-OPTION...] HOST COMMAND...: what the launcher takes for ssh; see hosts.sh.
while [ "${1#-}" != "$1" ]; do
	shift
done
host=$1
shift
exec nsenter --target "$(cat "$HOSTS_DIR/$host")" --net --uts --ipc --mount --wd="$PWD" sh -c "$*"
