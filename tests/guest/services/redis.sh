#!/bin/sh
# redis: the entry point of a Redis image, written anew in the manner of the official one.
set -e

# A flag or a configuration alone is meant for the server.
if [ "${1#-}" != "$1" ] || [ "${1%.conf}" != "$1" ]; then
    set -- redis-server "$@"
fi
if [ "$1" = redis-server ] && [ "$(id -u)" = 0 ]; then
    find . \! -user redis -exec chown redis '{}' +
    exec gosu redis "$0" "$@"
fi
# Others than the owner may read what is written under the usual mask.
if [ "$(umask)" = 0022 ]; then
    umask 0077
fi
exec "$@"
