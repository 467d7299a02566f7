# Most programs of coreutils, a line or two of each.
set -u
cd "$(mktemp -d)" || exit 1
seq 1 5000 >n; seq -f '%.2f' 0 .25 2; seq -w 8 11; seq -s, 5 -2 -3
head -n 2 n; tail -n +4998 n; head -c 11 n | wc -l -w -c; tail -c 5 n
sort -rn n | head -n 2; printf '%s\n' b,2 a,10 c,1 | sort -t, -k2,2n; printf '%s\n' 1K 1M 5 | sort -h
printf '%s\n' v1.10 v1.9 v1.2 | sort -V; sort -R --random-source=n n | sort -n | cmp - n && echo shuffled; sort --parallel=2 -S 1M n | md5sum
shuf --random-source=n -i 1-10 | sort -n | paste -sd' '
printf 'a\na\nb\nc\nc\n' | uniq -c; printf 'a\na\nb\n' | uniq -u; printf 'a\na\nb\n' | uniq -d
for sum in md5sum sha1sum sha224sum sha256sum sha384sum sha512sum b2sum cksum 'sum -s'; do $sum <n; done
md5sum n >sums; md5sum -c sums; echo x >>n; md5sum -c --quiet sums 2>/dev/null || echo changed; seq 1 5000 >n
echo 'text to encode: äöü' | base64; echo text | base32; echo text | basenc --base16; echo dGV4dA== | base64 -d; echo
cut -c2-3 <<<abcdef; cut -d' ' -f2- <<<'a b c'; paste -d: <(seq 3) <(seq 4 6); join <(printf '1 a\n2 b\n') <(printf '1 x\n2 y\n')
comm <(seq 1 4) <(seq 3 6) | tr '\t' '.'; tr -d aeiou <<<'squeeze vowels'; tr -s ' ' <<<'a   b'; tr '[:lower:]' '[:upper:]' <<<shout
fold -sw 20 <<<'some words that make a long enough line'; fmt -w 30 <<<'some words that make a long enough line to fill two'
nl -ba -w3 <(printf 'a\n\nb\n'); expand -t4 <<<$'a\tb'; unexpand -a -t4 <<<'a   b       c'; tac <(seq 3); rev <<<x 2>/dev/null >&2; pr -t -2 -l 3 <(seq 6)
od -An -tx1z <<<'octal dump'; od -An -td8 -N16 n; split -n 3 n part.; wc -c part.*; csplit -s n 100 2000; wc -l xx0?; cat part.* | cmp - n && echo whole
mkdir -p d/e/f; touch -d '2001-02-03 04:05:06' d/old; stat -c '%n %s %a %F %Y' d/old; stat -c '%n %a %F' d/e; chmod 4751 d/old; stat -c %A d/old; chmod u-s,o+w d/old; stat -c %a d/old
ln -s old d/link; ln d/old d/hard; stat -c %h d/old; readlink d/link; realpath --relative-to=. d/../d/link; cp -a d copy; ls -1R --time-style=+ copy; mv copy moved; ls moved
rm -r moved/e; rmdir moved 2>/dev/null || echo 'not empty'; rm -rf moved; ls -d d*; install -m 640 n installed; stat -c %a installed; truncate -s 1M sparse; stat -c '%s %b' sparse; dd if=n of=copied bs=512 count=3 status=none; wc -c <copied
mkfifo p; stat -c %F p; (cat n >p) & cksum <p; wait; ln -sf nowhere broken; [ -L broken ] && [ ! -e broken ] && echo dangling; unlink broken; sync n
expr 7 \* 6; expr abcdef : 'abc\(.*\)'; expr length four; test 1 -eq 1 && echo yes; [ a = b ] || echo no; factor 360360 1000000007 18446744073709551557; numfmt --to=iec 1048576 1500000; numfmt --from=si 3K
printf '%08.3f %e %g %s %c %#x %o %+d\n' 3.14159 12345.678 0.0001 str char 255 8 5; printf '%s-%s\n' a b c; echo -e 'a\tb\x41'; echo -n x; echo
date -u -d '2024-02-29 12:00 UTC +1 year' +%F; date -u -d @1234567890 '+%a %b %e %H:%M:%S %Y %j %U'; TZ=America/New_York date -d @0 +%z 2>/dev/null >&2
basename -s .c a/b.c; dirname a/b/c; pathchk -p ok && echo portable; env -i A=1 B=2 env | sort; env -u HOME printenv HOME || echo unset; env -C d pwd | sed 's/.*\///' 2>/dev/null
timeout 0.2 sleep 5; echo "timeout $?"; { timeout -s KILL 0.2 sleep 5; } 2>/dev/null; echo "killed $?"; echo $(($(nice -n 3 nice) - $(nice))); nohup echo on 2>/dev/null; true; echo $?; false; echo $?; sleep 0.01
tee t1 t2 <<<both >/dev/null; cat t1 t2; cat -A <<<$'tab\there'; cat -n <<<numbered; yes no | head -n 2; seq 10 | tail -f -n 1 --pid=1 2>/dev/null | head -n 1; stdbuf -oL echo buffered
id -u; id -un; groups; whoami; uname -s; uname -m; arch; nproc --ignore=1000; tty -s || echo 'no terminal'; logname 2>/dev/null || echo 'nobody logged in'
mktemp -u XXXX | wc -c; link n n2; cmp n n2 && echo linked; shred -n 1 -u n2; [ -e n2 ] || echo shredded; du --apparent-size -b n | cut -f1; df --output=target /proc | tail -n 1; ptx -G <<<'one two' 2>/dev/null | wc -l; tsort <<<'a b b c a c'
ls --color=never -l --time-style=+ n | cut -d' ' -f1,2,5; ls -la /proc/self/fd >/dev/null && echo fds; vdir --version | head -c 4; echo; dircolors -b | head -c 9; echo
