# The stream editor, from substitutions to small programs in it.
cd "$(mktemp -d)" || exit 1
seq 1 12 >n
sed -n '2,4p' n; sed '3,$d' n; sed -n '$=' n; sed '0~4d' n | paste -sd' '; sed -n '/5/,/7/p' n; sed '2q' n; sed -n '2{p;q}' n
sed 's/1/X/2;s/^/> /' n | tail -n 3; echo 'hello world' | sed 's/\(.*\) \(.*\)/\2 \1/'; echo 'hello' | sed -E 's/(.)(.)/\2\1/g'; echo 'camel case' | sed 's/\b./\u&/g'; echo SHOUT | sed 's/.*/\L&/'
sed '1i before' n | head -n 2; sed '$a after' n | tail -n 1; sed '2c changed' n | head -n 2; sed 'y/123/abc/' n | head -n 3; sed -n 'l' <<<$'a\tb\\c'; sed '1~3s/$/!/' n | paste -sd' '
sed -n '1!G;h;$p' n | paste -sd' '; sed 'N;s/\n/-/' n; sed '$!N;$!D' n; sed -n 'H;${x;s/\n/,/g;p}' n; sed ':a;s/^\(.\{1,7\}\)$/ \1/;ta' n | tail -n 2
echo 1234567 | sed -E ':a;s/([0-9])([0-9]{3})($|,)/\1,\2\3/;ta'; cp n m; sed -i.bak 's/1/one/g' m; head -n 1 m; cmp n m.bak && echo kept; sed -s -n '$p' n m; sed 's/a/b/w written' <<<banana; cat written
sed -n '/^1/{s//&&/;p}' n; sed '/^$/d;s/[[:space:]]*$//' <<<$'a  \n\nb'; sed --posix 's/a\+/x/' <<<'aa+'; sed -z 's/\n/;/g' n; echo; sed 's/x/\n/g' <<<axb; sed 's|/usr|/opt|' <<</usr/bin; sed -E 's/(^|[^.])\b(\w+)$/\1[\2]/' <<<'last word'
cat >sort.sed <<'END'
# Bubble sort of single characters.
:again
/b.*a\|c.*[ab]\|d.*[abc]/!b
s/ba/ab/;tagain
s/c\([ab]\)/\1c/;tagain
s/d\([abc]\)/\1d/;tagain
END
echo dcbadcba | sed -f sort.sed; echo 3+4 | sed 's/\(.*\)/echo $((\1))/e'; sed '5r m' n | wc -l; sed -u 1q n; sed --debug -n p n >/dev/null; echo $?; sed 'bogus;' n 2>/dev/null; echo "status $?"; sed -n '/3/I{=;p}' n
for i in $(seq 300); do echo "key$i=value$i"; done | sed -E 's/^key([0-9]+)=(.*)$/\2 -> \1/;/[05]$/!d' | tail -n 3
