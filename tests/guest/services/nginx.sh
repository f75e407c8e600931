#!/bin/sh
# nginx: the entry point of an nginx image, written anew in the manner of the official one.
set -e

say() { [ -n "${NGINX_ENTRYPOINT_QUIET_LOGS:-}" ] || printf '%s: %s\n' "$0" "$*"; }

# Each template becomes a configuration in which the environment's variables have their values.
from_templates() {
    names=$(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/${\1}/p')
    for template in /etc/nginx/templates/*.template; do
        [ -e "$template" ] || continue
        name=$(basename "$template" .template)
        say "running envsubst on $template to /etc/nginx/conf.d/$name"
        envsubst "$names" <"$template" >"/etc/nginx/conf.d/$name"
    done
}

if [ "$1" = nginx ] || [ "$1" = nginx-debug ]; then
    for script in /docker-entrypoint.d/*.sh; do
        if [ -x "$script" ]; then say "launching $script"; "$script"; fi
    done
    from_templates
    say "configuration complete; ready for start up"
fi
exec "$@"
