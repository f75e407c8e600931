#!/bin/sh
# mysqld: stands where the server of a MySQL image stands: says who it is and what it was told, keeps a file of its own.
umask 077
echo "started" >/var/lib/mysql/state || exit 1
echo "mysqld: ready for connections as $(id -un), arguments: $*"
trap 'echo "mysqld: shutdown complete"; exit 0' TERM
sleep infinity &
wait $!
