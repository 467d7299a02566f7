# One program under many names: started by busybox sh, each applet a process of its own.
b=busybox
mkdir -p "$TMPDIR/bb" && cd "$TMPDIR/bb" || exit 1
$b seq 1 20 | $b sed -n '3,5p;$p'
$b printf '%s\n' delta alpha charlie bravo | $b sort -r | $b head -n 2
$b echo 'one two three' | $b awk '{ for (i = NF; i; i--) printf "%s ", $i; print "" }'
$b echo hello | $b md5sum
$b echo hello | $b sha256sum
$b echo hello | $b sha512sum
$b seq 1000 | $b gzip -c | $b gunzip -c | $b tail -n 1
$b seq 3000 | $b bzip2 -c | $b bunzip2 -c | $b wc -c
$b seq 500 >numbers; $b tar cf numbers.tar numbers; $b rm numbers; $b tar xf numbers.tar; $b sha1sum numbers
$b echo 'obase=16; 2^64; scale=20; 1/7' | $b bc 2>/dev/null || $b echo 'no bc'
$b dc -e '2 200 ^ p' 2>/dev/null
$b mkdir -p a/b/c; $b touch a/1 a/b/2 a/b/c/3; $b find a -type f | $b sort
$b ln -s 1 a/link; $b readlink a/link; $b ls a
$b cp -r a copy; $b diff -r a copy && $b echo equal
$b expr 17 \* 3; $b test 3 -lt 5 && $b echo less
$b cut -d: -f1,3 <<END
a:b:c
d:e:f
END
$b echo abc | $b tr a-c A-C | $b rev
$b dd if=/dev/zero bs=1024 count=64 2>/dev/null | $b od -A d -t x1 | $b tail -n 2
$b echo 'some text' | $b hexdump -C
$b echo 'encoded' | $b base64 | $b tee enc | $b base64 -d; $b cat enc
$b factor 1234567890123 97 4294967297
$b cal 2 2024
$b date -u -d @86400 '+%Y-%m-%d %H:%M:%S'
$b seq 10 | $b xargs -n 4 $b echo
$b printf 'b 2\na 1\n' >l; $b printf 'x 9\n' >>l; $b sort l | $b uniq | $b nl
$b grep -c 9 numbers; $b grep -E '^(1|2)0+$' numbers
$b basename /x/y.z .z; $b dirname /x/y.z
$b stat -c '%s %a %F' numbers.tar; $b du -s -k /dev/null | $b cut -f1
$b sh -c 'x=0; while [ $x -lt 2000 ]; do x=$((x + 1)); done; echo $x'
$b env -i A=1 $b env
(sleep 0.05; echo background) & wait; echo done
$b unxz -t /dev/null 2>/dev/null; echo "status $?"
$b fold -w 10 <<END
a line that is too long for ten columns
END
$b ash -c 'trap "echo trapped" TERM; kill -TERM $$; echo on'
