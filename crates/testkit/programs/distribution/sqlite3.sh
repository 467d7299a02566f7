# Several hundred statements: tables, indexes, joins, windows, triggers, recursion, JSON, errors.
cd "$(mktemp -d)" || exit 1
{
echo "PRAGMA journal_mode=WAL; CREATE TABLE people(id INTEGER PRIMARY KEY, name TEXT NOT NULL, age INT, city TEXT); CREATE TABLE orders(id INTEGER PRIMARY KEY, person INT REFERENCES people(id), amount REAL, day TEXT);"
echo "CREATE TABLE log(what TEXT, n INT); CREATE TRIGGER t AFTER UPDATE ON people BEGIN INSERT INTO log VALUES('update', new.id); END; CREATE VIEW adults AS SELECT * FROM people WHERE age >= 18; BEGIN;"
for i in $(seq 1 200); do echo "INSERT INTO people VALUES($i, 'name$((i * 17 % 101))', $((i * 31 % 80)), 'city$((i % 9))');"; done
for i in $(seq 1 250); do echo "INSERT INTO orders VALUES($i, $((i * 13 % 200 + 1)), $((i * 97 % 1000)).$((i % 10)), date('2020-01-01', '+$((i * 3)) days'));"; done
echo "COMMIT; CREATE INDEX by_person ON orders(person); CREATE INDEX by_city ON people(city, age); ANALYZE;"
for i in $(seq 1 40); do echo "UPDATE people SET age = age + 1 WHERE id = $((i * 5)); SELECT $i, count(*), sum(amount) FROM orders WHERE person BETWEEN $((i * 4)) AND $((i * 4 + 20));"; done
cat <<'END'
SELECT city, count(*), round(avg(age), 3), max(name), group_concat(id % 10, '') FROM adults GROUP BY city HAVING count(*) > 3 ORDER BY 2 DESC, 1;
SELECT p.name, count(o.id) n, printf('%.2f', total(o.amount)) FROM people p LEFT JOIN orders o ON o.person = p.id GROUP BY p.name ORDER BY n DESC, p.name LIMIT 8;
SELECT id, amount, rank() OVER (ORDER BY amount DESC) r, sum(amount) OVER (ORDER BY id ROWS 2 PRECEDING), lag(id, 2) OVER (ORDER BY id), ntile(4) OVER (ORDER BY amount) FROM orders ORDER BY id LIMIT 10;
WITH RECURSIVE fib(a, b) AS (SELECT 0, 1 UNION ALL SELECT b, a + b FROM fib LIMIT 60) SELECT max(a) FROM fib;
WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 20000) SELECT count(*), sum(x * x % 7), sum(x & 5) FROM c;
SELECT json_extract('{"a":[1,2,{"b":3}]}', '$.a[2].b'), json_group_array(id) FROM people WHERE id < 5; SELECT key, value FROM json_each('{"x":1,"y":[2]}');
SELECT upper('abc'), substr('hello', 2, 3), replace('banana', 'an', 'AN'), instr('haystack', 'st'), hex('bytes'), quote(x'00ff'), typeof(1.5), abs(-5), round(2.567, 2), length('äöü'), 7 / 2, 7 % 3, 7.0 / 2, 1 << 10, ~5, 'a' || 'b', coalesce(NULL, 3), nullif(1, 1) IS NULL, iif(1 > 2, 'y', 'n'), 'abc' LIKE 'A%', 'abc' GLOB 'a*', unicode('€'), char(65, 66), trim('  x '), strftime('%j %W', '2024-03-01'), julianday('2000-01-01');
SELECT sqrt(2), pi(), exp(1), ln(10), pow(2, 0.5), sin(1), 0.1 + 0.2, 1e300 * 1e10, 9223372036854775807 + 1; EXPLAIN QUERY PLAN SELECT * FROM orders WHERE person = 5;
SELECT count(*), sum(n) FROM log; SAVEPOINT s; DELETE FROM orders WHERE id % 2; SELECT count(*) FROM orders; ROLLBACK TO s; SELECT count(*) FROM orders; INSERT INTO people VALUES(1, 'x', 1, 'y') ON CONFLICT(id) DO UPDATE SET name = excluded.name RETURNING id, name;
SELECT name FROM people WHERE id = 1 UNION SELECT city FROM people WHERE id < 4 EXCEPT SELECT 'city1' ORDER BY 1; CREATE VIRTUAL TABLE docs USING fts5(body); INSERT INTO docs VALUES('the quick brown fox'), ('lazy dogs sleep'), ('quick dogs'); SELECT body FROM docs WHERE docs MATCH 'quick' ORDER BY body; SELECT count(*) FROM people a, people b WHERE a.age < b.age AND a.city = b.city; RELEASE s; VACUUM; PRAGMA integrity_check; PRAGMA foreign_key_check;
.mode csv
SELECT * FROM people ORDER BY id LIMIT 3;
.schema log
END
} >statements.sql
sqlite3 base.db <statements.sql; echo "status $?"; sqlite3 base.db 'SELECT count(*) FROM nothing' 2>/dev/null; echo "status $?"
sqlite3 base.db .dump | sha256sum; sqlite3 -json base.db 'SELECT id, name FROM people WHERE id IN (7, 8)'; sqlite3 base.db 'PRAGMA page_count; PRAGMA integrity_check'
for i in 1 2 3 4; do sqlite3 -cmd '.timeout 20000' base.db "INSERT INTO log SELECT 'w$i', id FROM people WHERE id <= 50" & done; wait; sqlite3 base.db 'SELECT what, count(*) FROM log GROUP BY what'
