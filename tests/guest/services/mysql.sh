#!/bin/bash
# mysql: an entry point in the manner of the official MySQL image: flags go to the server, which runs as `mysql`.
#
# The server beside it is no database; it tells with what it was started, and waits for its end.
set -eo pipefail

if [ "${1:0:1}" = - ]; then
    set -- mysqld "$@"
fi
if [ "$1" = mysqld ]; then
    if [ "$(id -u)" = 0 ]; then
        echo "[Entrypoint]: Switching to dedicated user 'mysql'"
        chown -R mysql: /var/lib/mysql
        exec gosu mysql "${BASH_SOURCE[0]}" "$@"
    fi
    if [ -n "$MYSQL_ROOT_PASSWORD_FILE" ]; then
        MYSQL_ROOT_PASSWORD=$(<"$MYSQL_ROOT_PASSWORD_FILE")
    fi
    if [ -z "$MYSQL_ROOT_PASSWORD$MYSQL_ALLOW_EMPTY_PASSWORD$MYSQL_RANDOM_ROOT_PASSWORD" ]; then
        echo >&2 "[ERROR] [Entrypoint]: Database is uninitialized and password option is not specified"
        exit 1
    fi
fi
exec "$@"
