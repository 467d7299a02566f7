# What a shell does all day: pipes, subshells, traps, here-documents, background jobs.
set -u
say() { printf '%s\n' "== $*"; }
work=$(mktemp -d) && cd "$work" || exit 1

say pipes
printf '%s\n' pear apple fig apple | sort | uniq -c | sed 's/^ *//'
seq 1 2000 | grep 7 | grep -v 77 | wc -l
seq 100 | { read -r first; read -r second; echo "$first,$second"; cat; } | tail -n 2
yes | head -n 3 | tr y n
false | true | (exit 7)
echo "${PIPESTATUS[*]}"
set -o pipefail; (exit 3) | cat; echo "pipefail $?"; set +o pipefail
for n in 1 2 3 4 5; do echo "$n"; done | while read -r n; do echo $((n * n)); done | paste -sd+

say subshells
x=outer; (x=inner; cd /; echo "$x"); echo "$x"
y=$(z=$(echo deep); echo "<$z>"); echo "$y"
(exit 42); echo "status $?"
(trap 'echo leaving' EXIT; echo inside)
( ( (echo three deep) ) )
diff <(printf 'a\nb\nc\n') <(printf 'a\nB\nc\n') >/dev/null || cmp -s <(echo same) <(echo same) && echo substituted

say traps
trap 'echo "caught USR1"' USR1
kill -USR1 $$; kill -USR1 $$
trap 'echo "caught TERM in ${FUNCNAME[0]:-main}"' TERM
f() { kill -TERM $$; echo after; }
f
trap - USR1 TERM
trap 'echo "error on a line"' ERR; false; trap - ERR
bash -c 'trap "echo bye" EXIT; trap "exit 5" INT; kill -INT $$; sleep 10'; echo "status $?"
{ bash -c 'kill -KILL $$'; } 2>/dev/null; echo "status $?"
bash -c 'trap "" TERM; kill -TERM $$; echo survived'
trap 'echo debug' DEBUG; :; trap - DEBUG

say here-documents
name=world
cat <<END
hello $name, $((6 * 7)), $(echo nested)
END
cat <<'END'
nothing $name expands `here`
END
cat <<-END
	tabs go
	END
while IFS=: read -r key value; do echo "$value=$key"; done <<<$'a:1\nb:2'
cat <<ONE; cat <<TWO
first
ONE
second
TWO
head -c 70000 /dev/zero | tr '\0' x >big; wc -c <<<"$(cat big)"

say jobs
(sleep 0.2; echo slow >slow) & slow=$!
(echo quick >quick) & quick=$!
wait "$quick"; echo "quick $? $(cat quick)"
wait "$slow"; echo "slow $? $(cat slow)"
(exit 9) & wait $!; echo "status $?"
for n in 1 2 3 4 5 6 7 8; do (echo $((n * 10)) >"out$n") & done; wait
cat out? | sort -n | paste -sd' '
sleep 60 & sleeper=$!; kill $sleeper; wait $sleeper 2>/dev/null; echo "killed $?"
coproc tr a-z A-Z; echo shout >&"${COPROC[1]}"; eval "exec ${COPROC[1]}>&-"; cat <&"${COPROC[0]}"; wait
mkfifo pipe; (echo through a fifo >pipe) & cat pipe; wait
sleep 0.1 & jobs -r | wc -l; wait -n; echo "one ended: $?"
set -m; sleep 0.1 & fg >/dev/null; echo "foreground $?"; set +m

say words
shopt -s extglob nullglob
touch a1 a2 b1 'sp ace' .hidden; echo a* no*match b? +([a-z])1 "sp ace"
echo {1..5} {a,b}{x,y} {10..0..5}
path=/usr/lib/some.file.txt; echo "${path##*/} ${path%/*} ${path%%.*} ${path/some/other} ${path^^} ${#path} ${path: -3}"
declare -A map=([one]=1 [two]=2 [three]=3); for key in "${!map[@]}"; do echo "$key ${map[$key]}"; done | sort
array=(x y 'z z'); array+=(w); echo "${#array[@]} ${array[2]} ${array[*]:1:2} ${!array[*]}"
printf '%5d|%-5s|%05.2f|%x|%q|%b|%(%Y)T\n' 42 ab 3.14159 255 'a b' 'c\td' 0
unset none; echo "${none:-default} ${none:=assigned} $none"; (: "${other:?must be set}") 2>/dev/null || echo refused
[[ abc123 =~ ^([a-z]+)([0-9]+)$ ]] && echo "${BASH_REMATCH[2]}${BASH_REMATCH[1]}"
case hello.tar.gz in *.zip) echo no ;; *.tar.*) echo tar ;;& *.gz) echo gz ;; esac

say arithmetic
echo $((2 ** 40)) $((-7 / 2)) $((-7 % 3)) $((0x7fffffffffffffff + 1)) $((1 << 62 | 5)) $((5 > 3 ? 10 : 20)) $((36#zz))
fib() { local n=$1; ((n < 2)) && echo "$n" || echo $(($(fib $((n - 1))) + $(fib $((n - 2))))); }
fib 9
sum=0; for ((i = 0; i < 20000; i++)); do ((sum += i * i % 7)); done; echo $sum

say ends
exec 3>log; echo logged >&3; exec 3>&-; cat log
{ echo out; echo err >&2; } 2>&1 | sort
eval 'echo "$(type -t eval) $(type -t sed) $(type -t f)"'
ulimit -n >/dev/null && umask 027 && umask
command -v no-such-command || echo absent
no-such-command 2>/dev/null; echo "status $?"
printf '#!/bin/sed -f\ns/a/b/g\n' >script; chmod +x script; echo banana | ./script
printf '#!/usr/bin/env bash\necho "$# $1"\n' >script2; chmod +x script2; ./script2 'a b' c
: >empty; chmod +x empty; ./empty; echo "status $?"
exit 0
