# Patterns of all kinds, over a text that is made here.
cd "$(mktemp -d)" || exit 1
for i in $(seq 1 400); do echo "line $i: the value is $((i * i)), code=$(printf %04x $((i * 37)))"; done >text
grep -c value text; grep -c '7$' text; grep '99' text | head -n 3; grep -n 'line 1[0-3]:' text; grep -v '[0-8],' text | tail -n 2
grep -oE 'code=[a-f]+[0-9]*$' text | sort -u | head -n 4; grep -E '(1|2)(3|4)\1' text | wc -l; grep -E '^line ([0-9])\1\1:' text; grep -w 16 text; grep -x 'line 1:.*' text
grep -i 'LINE 77' text; grep -F 'value is 81,' text; grep -A1 -B1 'line 200:' text; grep -m2 code text; grep -q nothing text; echo "status $?"; grep -b 'line 3:' text
mkdir r; cp text r/one; echo needle >r/two; grep -r needle r; grep -rl value r; grep -rL value r; grep -rc needle r | sort; grep -h --include=two -r . r
printf 'binary\0data match\n' >bin; grep -c match bin; grep -a -o 'd.ta' bin; grep -P '(?<=is )\d+(?=, code=00)' -o text | head -n 3; grep -P '\bcode=(\w)\1' -o text | sort | uniq -c | sed 's/^ *//' | head -n 5
printf 'äpfel\nÖl\nzebra\n' | grep -i 'ö'; printf 'äpfel\n' | grep -o '^.'; grep -z -c value text; grep -f <(printf 'line 5:\nline 6:\n') text; grep -e 'line 9:' -e 'line 8:' text; egrep 'x{3}' text 2>/dev/null; echo "status $?"
head -c 300000 /dev/zero | tr '\0' a >long; echo b >>long; grep -c 'a*b' long; grep -cE '^(a|aa)+$' text; grep --color=always 'line 2:' text; grep missing-file nowhere 2>/dev/null; echo "status $?"
