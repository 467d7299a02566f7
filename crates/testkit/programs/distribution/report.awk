# A report over columns of data: arrays, functions, formats, regular expressions.
function max(a, b) { return a > b ? a : b }
function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2) }
function join_keys(array, n,    i, text) { for (i = 1; i <= n; i++) text = text (i > 1 ? "," : "") array[i]; return text }
BEGIN { OFS = "|"; print "fib", fib(18); printf "%5.2f|%-6s|%06d|%x|%c|%e\n", 3.14159, "ab", 42, 255, 65, 12345.678 }
{ count[$1]++; sum[$1] += $2; most[$1] = max(most[$1], $3); places[$4] = places[$4] " " NR; total += $2 * $3 }
/city7/ && $2 > 50 { hits++ }
$5 ~ /^201[0-4]-/ { early[substr($5, 1, 4)]++ }
NR % 100 == 0 { $2 = "row" NR; print }
NF != 5 { print "odd", NR }
END {
    n = 0; for (name in count) names[++n] = name
    for (i = 1; i <= n; i++) for (j = i + 1; j <= n; j++) if (names[i] > names[j]) { t = names[i]; names[i] = names[j]; names[j] = t }
    for (i = 1; i <= n; i++) printf "%-4s %4d %6d %8.3f %5.1f\n", names[i], count[names[i]], sum[names[i]], sum[names[i]] / count[names[i]], most[names[i]]
    print join_keys(names, n), hits, total; print early["2010"], early["2014"], length(places["city3"]), ("city99" in places)
    text = "the quick brown fox"; gsub(/[aeiou]/, "<&>", text); print text; print match("foobar", /o+/), RSTART, RLENGTH
    print toupper(substr("substring", 4, 3)), index("haystack", "st"), split("a:b:c", parts, ":"), parts[3], length("four")
    print sprintf("%.10g", exp(1)), sprintf("%.10g", atan2(0, -1)), sprintf("%.10g", sqrt(2)), int(-3.7), 2 ^ 31, 7 % 3, -7 % 3, 1e300 * 1e10 > 1
    for (i = 0; i < 200000; i++) x = (x * 1103515245 + 12345) % 2147483648; print x
    s = ""; for (i = 0; i < 3000; i++) s = s sprintf("%c", 97 + i % 26); print length(s), substr(s, 2990)
    while ((getline line < ARGV[1]) > 0) lines++; close(ARGV[1]); print lines
    delete count["ann"]; print ("ann" in count), length(names); do { k++ } while (k < 10); print k; exit 0
}
