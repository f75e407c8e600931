#!/usr/bin/env bash
# postgres: the entry point of a PostgreSQL image, written anew in the manner of the official one.
#
# Started as root it gives the data to the user `postgres` and goes on as him through gosu. On an empty PGDATA it makes
# a cluster, runs what is in /docker-entrypoint-initdb.d against a server that only a local socket reaches, and then
# becomes the server.
set -euo pipefail

# setting NAME [DEFAULT]: sets NAME from itself, from the file that NAME_FILE names, or to the default.
setting() {
    local name=$1 file=$1_FILE value=${2:-}
    if [ -n "${!name:-}" ] && [ -n "${!file:-}" ]; then
        echo >&2 "error: both $name and $file are set (but are exclusive)"
        exit 1
    fi
    if [ -n "${!name:-}" ]; then value=${!name}; elif [ -n "${!file:-}" ]; then value=$(<"${!file}"); fi
    export "$name=$value"
    unset "$file"
}

say() { printf 'postgres: %s\n' "$*"; }

make_cluster() {
    local -a arguments
    read -ra arguments <<<"${POSTGRES_INITDB_ARGS:-}"
    initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") "${arguments[@]}"
    printf '\nhost all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"
}

fill_cluster() {
    local file
    local -a ask=(psql -v ON_ERROR_STOP=1 --no-psqlrc --username "$POSTGRES_USER" --no-password)
    export PGPASSWORD=$POSTGRES_PASSWORD
    PGUSER=$POSTGRES_USER pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start
    if [ "$POSTGRES_DB" != postgres ]; then
        "${ask[@]}" --dbname postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db";'
    fi
    for file in /docker-entrypoint-initdb.d/*; do
        case $file in
            *.sh)
                say "sourcing $file"
                # shellcheck source=/dev/null
                . "$file"
                ;;
            *.sql)
                say "running $file"
                "${ask[@]}" --dbname "$POSTGRES_DB" -f "$file"
                ;;
        esac
    done
    PGUSER=$POSTGRES_USER pg_ctl -D "$PGDATA" -m fast -w stop
    unset PGPASSWORD
}

if [ "${1:0:1}" = - ]; then
    set -- postgres "$@"
fi
if [ "${1:-}" = postgres ]; then
    mkdir -p "$PGDATA"
    chmod 700 "$PGDATA" || :
    if [ "$(id -u)" = 0 ]; then
        mkdir -p /var/run/postgresql
        find "$PGDATA" /var/run/postgresql \! -user postgres -exec chown postgres '{}' +
        exec gosu postgres "${BASH_SOURCE[0]}" "$@"
    fi
    setting POSTGRES_PASSWORD
    setting POSTGRES_USER postgres
    setting POSTGRES_DB "$POSTGRES_USER"
    if [ -s "$PGDATA/PG_VERSION" ]; then
        say "database directory appears to contain a database; skipping initialization"
    elif [ -z "$POSTGRES_PASSWORD" ] && [ "${POSTGRES_HOST_AUTH_METHOD:-}" != trust ]; then
        echo >&2 "error: database is uninitialized and superuser password is not specified; use -e POSTGRES_PASSWORD=password"
        exit 1
    else
        make_cluster
        fill_cluster
        say "init process complete; ready for start up"
    fi
fi
exec "$@"
