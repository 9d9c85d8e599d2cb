#!/usr/bin/env bash
# Runs everything three times in turn. See README.md.
set -euo pipefail
cd "$(dirname "$0")"
paramedic=${PARAMEDIC:-../../target/release/paramedic}
rounds=${ROUNDS:-3}
count=${COUNT:-10000}
secret=bench-secret-bench-secret-bench-secret
work=$(mktemp -d)
binaries=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
as_user() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
[ "$(id -u)" = 0 ] && chown postgres "$work"
chmod 755 "$work"
pids=()
cleanup() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    as_user "$binaries/pg_ctl" -D "$work/pg" -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap cleanup EXIT
as_user "$binaries/initdb" -D "$work/pg" -A trust -U bench >/dev/null
as_user "$binaries/pg_ctl" -D "$work/pg" -w -l "$work/pg/log" -o "-p 54329 -k $work -c listen_addresses=127.0.0.1 -c min_wal_size=800MB" start >/dev/null
# A server that has been up for a while writes its log into files it has used before; making new ones of 16 MB stalls every commit of a young one.
"$binaries/psql" -h "$work" -p 54329 -U bench -d postgres -qc "CREATE TABLE old AS SELECT repeat(md5(i::text), 50) FROM generate_series(1, 400000) i" \
    -c "DROP TABLE old" -c CHECKPOINT
redis-server --port 63799 --dir "$work" --appendonly yes --appendfsync always --save '' --daemonize yes --pidfile "$work/redis.pid" >/dev/null
pids+=("$(sleep 0.5; cat "$work/redis.pid")")
node reports.mjs "$count" "$secret" > reports.txt 2> "$work/expected"
echo "expected runs: $(cat "$work/expected")"

wait_for() { for _ in $(seq 200); do curl -fs "$1/healthz" >/dev/null && return; sleep 0.05; done; echo "no answer from $1" >&2; exit 1; }
load() { wrk -t2 -c64 -d15s -s load.lua "$1" | tail -1; }

for round in $(seq "$rounds"); do
    for home in sqlite postgres; do
        if [ "$home" = sqlite ]; then database="sqlite:$work/$round.db"; else
            as_user "$binaries/createdb" -h "$work" -p 54329 -U bench "ours$round"
            database="postgres://bench@127.0.0.1:54329/ours$round"
        fi
        CI_HEALING_WEBHOOK_SECRET=$secret "$paramedic" --data-dir "$work/data-$home-$round" --database "$database" serve \
            --listen 127.0.0.1:7171 --workers 0 2> "$work/log" & pid=$!
        pids+=("$pid")
        wait_for http://127.0.0.1:7171
        printf '%-10s' "$home"; load http://127.0.0.1:7171
        printf '          runs: %s   peak memory: %s kB\n' \
            "$("$paramedic" --data-dir "$work/data-$home-$round" --database "$database" runs --limit 1 --json | node -e 'console.log(JSON.parse(require("fs").readFileSync(0)).total)')" \
            "$(awk '/VmHWM/ {print $2}' "/proc/$pid/status")"
        kill "$pid"; wait "$pid" || true
    done
    as_user "$binaries/createdb" -h "$work" -p 54329 -U bench "peer$round"
    redis-cli -p 63799 flushall >/dev/null
    for peer in "pg postgres://bench@127.0.0.1:54329/peer$round" "bullmq redis://127.0.0.1:63799"; do
        # shellcheck disable=SC2086 # two words
        node peer.mjs $peer "$secret" 7272 2>/dev/null & pid=$!
        pids+=("$pid")
        wait_for http://127.0.0.1:7272
        printf '%-10s' "${peer%% *}"; load http://127.0.0.1:7272
        kill "$pid"; wait "$pid" || true
    done
    redis-cli -p 63799 flushall >/dev/null
    printf '%-10s' adds; node queue.mjs 63799 < reports.txt
done
