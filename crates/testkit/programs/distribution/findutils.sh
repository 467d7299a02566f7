# find and xargs over a small tree.
cd "$(mktemp -d)" || exit 1
mkdir -p a/b/c x/y z.d; for f in a/1.txt a/b/2.txt a/b/c/3.c x/y/4.txt 'x/y/sp ace' z.d/5; do echo "$f" >"$f"; done
ln -s ../a x/link; ln -s missing x/broken; touch -d 2001-01-01 a/1.txt; chmod 600 a/b/2.txt; truncate -s 5000 z.d/5
find . | sort; find . -type f -name '*.txt' | sort; find . -type l | sort; find -L . -type l; find . -maxdepth 1 -mindepth 1 | sort
find . -size +4 -printf '%p %s\n'; find . -perm 600 -printf '%f %m\n'; find a -newer a/1.txt -type f | sort; find . -path './a/*' -prune -o -type f -print | sort
find . -empty; find . -regex '.*/[0-9]\.c'; find . -not -newermt 2002-01-01 -type f; find . -type f -exec wc -c {} + | tail -n 1 | sed 's/^ *//'
find . -name '*.txt' -exec echo one {} \; | sort; find . -type f -print0 | sort -z | xargs -0 -n1 basename; find . -name 4.txt -execdir pwd \; | sed 's/.*\///'
find . -type f -printf '%d %P %y\n' | sort; find a -depth | tail -n 1; find . -name 3.c -delete; find . -name 3.c; find . -inum 1 -o -samefile a/1.txt; find nowhere 2>/dev/null; echo "status $?"
seq 20 | xargs -n 6; seq 5 | xargs -I{} echo 'item {}'; seq 8 | xargs -P 4 -n 1 sh -c 'echo $((${0} * 2))' | sort -n | paste -sd' '
echo "'quoted word' plain" | xargs -n1; printf 'a\nb\n' | xargs -d '\n' printf '<%s>'; echo; xargs -a a/1.txt echo; false | xargs -r echo never; echo 1 | xargs sh -c 'exit 3'; echo "status $?"
seq 1 3000 | xargs -s 2000 echo | wc -l; yes x | head -n 10000 | xargs echo | wc -w
