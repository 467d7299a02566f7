# A program in Go: its scheduler, its collector, its own signal handling.
cat >input.json <<'END'
{"name":"value","list":[1,2.5,{"deep":[true,false,null]},"text \u00e4 \"quoted\""],"empty":{},"none":[],"big":12345678901234567890,"key with space":{"a-b":1e10}}
END
gron --no-sort input.json | sort; gron input.json; gron input.json | gron --ungron; gron --stream <<<$'{"a":1}\n{"a":2}'; gron --values input.json; gron --json input.json | tail -n 3; gron nowhere.json 2>/dev/null; echo "status $?"; echo '{broken' | gron 2>/dev/null; echo "status $?"
{ printf '['; for i in $(seq 1 1500); do printf '{"id":%d,"tags":["a%d","b"],"n":{"x":%d.5}},' $i $i $((i * 3)); done; printf '0]'; } >large.json; gron large.json | wc -l; gron large.json | sha256sum; gron large.json | gron -u | gron | tail -n 2
for i in 1 2 3 4; do gron large.json | cksum & done | sort -u; wait
