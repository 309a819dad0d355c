#!/bin/sh
# The webhook of a stack that has none configured yet, so that no alert goes
# unseen: POST keeps the payload, and prints it to this container's log; GET
# gives back those kept, oldest first, one JSON document a line.
set -eu

dir=/var/lib/alerts
log=$dir/alerts.jsonl
max_body=1048576
max_lines=1000
max_bytes=16777216

reply() {
  printf 'Status: %s\r\nContent-Type: %s\r\n\r\n' "$1" "$2"
}

case $REQUEST_METHOD in
GET)
  reply '200 OK' application/x-ndjson
  [ ! -f "$log" ] || cat "$log"
  ;;
POST)
  length=${CONTENT_LENGTH:-0}
  if [ "$length" -gt "$max_body" ]; then
    reply '413 Content Too Large' text/plain
    exit
  fi
  # JSON allows raw control characters only between its tokens, so dropping them
  # changes no document, and leaves no way to forge a second line.
  payload=$(head -c "$length" | tr -d '\000-\037')
  case $payload in
  '{'*'}') ;;
  *)
    reply '400 Bad Request' text/plain
    echo 'expected a JSON object'
    exit
    ;;
  esac

  # mkdir is the one atomic test-and-set that every sh has. A lock left by a
  # killed script is taken over after five seconds.
  tries=0
  until mkdir "$dir/lock" 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -lt 50 ] || rmdir "$dir/lock" 2>/dev/null || true
    sleep 0.1
  done
  trap 'rmdir "$dir/lock"' EXIT
  printf '%s\n' "$payload" >>"$log"
  lines=$(wc -l <"$log")
  if [ "$lines" -gt "$max_lines" ] || [ "$(wc -c <"$log")" -gt "$max_bytes" ]; then
    tail -n $((lines / 2)) "$log" >"$log.new"
    mv "$log.new" "$log"
  fi
  printf '%s\n' "$payload" >&2
  reply '200 OK' text/plain
  ;;
*)
  reply '405 Method Not Allowed' text/plain
  ;;
esac
