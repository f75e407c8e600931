#!/bin/bash
# jupyter: start.sh in the manner of the Jupyter project's images: as root it makes the user that NB_USER and NB_UID
# ask for, and goes on as him; as anybody else it just goes on.
set -e

if [ "$(id -u)" = 0 ]; then
    if [ "$NB_USER" != jovyan ] || [ "$NB_UID" != 1000 ]; then
        userdel jovyan 2>/dev/null || :
        useradd --no-log-init --home "/home/$NB_USER" --uid "$NB_UID" --gid "$NB_GID" --shell /bin/bash "$NB_USER"
        mkdir -p "/home/$NB_USER"
        chown "$NB_UID:$NB_GID" "/home/$NB_USER"
    fi
    export HOME=/home/$NB_USER
    exec setpriv --reuid "$NB_UID" --regid "$NB_GID" --init-groups -- "$@"
fi
exec "$@"
