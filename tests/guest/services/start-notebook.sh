#!/bin/bash
# start-notebook.sh: serves the directory of notebooks; a server of Python's own stands where Jupyter's would.
port=8888
for word; do
    case $word in
        --*.port=* | --port=*) port=${word#*=} ;;
    esac
done
exec python3 -u -m http.server --bind 127.0.0.1 "$port"
