-- one row
SELECT 1 AS a, 'x' AS b, NULL::int AS c

-- no rows
SELECT * FROM nation WHERE false

-- values
SELECT * FROM (VALUES (1, 'a'), (2, NULL)) t(x, y)

-- limit
SELECT n_name FROM nation ORDER BY n_name DESC LIMIT 3

-- limit and offset
SELECT n_name FROM nation ORDER BY n_name LIMIT 3 OFFSET 4

-- offset
SELECT n_name FROM nation ORDER BY n_name OFFSET 20

-- order below a projection
SELECT upper(n_name) AS u FROM nation ORDER BY n_nationkey DESC LIMIT 4

-- nulls first
SELECT nullif(n_regionkey, 1) AS k, n_name FROM nation ORDER BY k NULLS FIRST, n_name

-- nulls last
SELECT nullif(n_regionkey, 1) AS k, n_name FROM nation ORDER BY k DESC NULLS LAST, n_name

-- distinct
SELECT DISTINCT n_regionkey FROM nation ORDER BY 1

-- union
SELECT n_regionkey FROM nation UNION SELECT r_regionkey + 3 FROM region ORDER BY 1

-- union all
SELECT n_regionkey FROM nation UNION ALL SELECT r_regionkey FROM region ORDER BY 1

-- intersect
SELECT n_regionkey + 2 AS k FROM nation INTERSECT SELECT r_regionkey FROM region ORDER BY 1

-- except
SELECT r_regionkey FROM region EXCEPT SELECT n_regionkey + 2 FROM nation ORDER BY 1

-- left join
SELECT n_name, r_name FROM nation LEFT JOIN region ON r_regionkey = n_regionkey + 2 ORDER BY 1

-- right join
SELECT n_name, r_name FROM nation RIGHT JOIN region ON r_regionkey = n_regionkey + 2 ORDER BY 1, 2

-- full join
SELECT n_name, r_name FROM nation FULL JOIN region ON r_regionkey = n_regionkey + 2 ORDER BY 1, 2

-- cross join
SELECT n_name, r_name FROM nation, region WHERE n_nationkey < 3 ORDER BY 1, 2

-- inequality join
SELECT n_name, r_name FROM nation JOIN region ON r_regionkey > n_nationkey ORDER BY 1, 2

-- self join
SELECT a.n_name, b.n_name AS other FROM nation a JOIN nation b ON a.n_nationkey + 1 = b.n_nationkey ORDER BY 1

-- semi join
SELECT r_name FROM region WHERE EXISTS (SELECT 1 FROM nation WHERE n_regionkey = r_regionkey AND n_name LIKE 'A%')
ORDER BY 1

-- anti join
SELECT r_name FROM region WHERE NOT EXISTS (SELECT 1 FROM nation WHERE n_regionkey = r_regionkey AND n_name LIKE 'A%')
ORDER BY 1

-- mark join
SELECT n_name FROM nation WHERE EXISTS (SELECT 1 FROM region WHERE r_regionkey = n_regionkey AND r_name LIKE 'A%') OR
n_nationkey = 3 ORDER BY 1

-- mark join with nulls
SELECT n_name FROM nation WHERE nullif(n_regionkey, 1) NOT IN (SELECT nullif(r_regionkey, 2) FROM region WHERE
r_regionkey > 3) OR n_nationkey = 3 ORDER BY 1

-- correlated scalar
SELECT r_name, (SELECT max(n_name) FROM nation WHERE n_regionkey = r_regionkey) AS last FROM region ORDER BY 1

-- grouped
SELECT n_regionkey, count(*) AS n, min(n_name) AS first FROM nation GROUP BY n_regionkey HAVING count(*) > 4 ORDER BY
1

-- grouped by an expression
SELECT length(n_name) % 2 AS odd, count(*) AS n FROM nation GROUP BY 1 ORDER BY 1

-- grouped by a constant
SELECT 'x' AS k, count(*) AS n FROM nation GROUP BY 1

-- grouped, of no rows
SELECT count(*) AS n, sum(n_nationkey) AS s FROM nation WHERE n_nationkey > 100

-- with
WITH big AS (SELECT * FROM nation WHERE n_nationkey > 10) SELECT a.n_name FROM big a JOIN big b ON a.n_nationkey =
b.n_nationkey + 1 ORDER BY 1

-- many conditions
SELECT n_name FROM nation WHERE n_nationkey <> 0 AND n_nationkey <> 1 AND n_nationkey <> 2 AND n_nationkey <> 3 AND
n_nationkey <> 4 AND n_nationkey <> 5 AND n_nationkey <> 6 AND n_nationkey <> 7 AND n_nationkey <> 8 AND n_nationkey
<> 9 AND n_nationkey <> 10 AND n_nationkey <> 11 AND n_nationkey <> 12 AND n_nationkey <> 13 AND n_nationkey <> 14 AND
n_nationkey <> 15 ORDER BY 1

-- nested
SELECT s.a, s.b.c FROM (SELECT named_struct('a', n_nationkey, 'b', named_struct('c', n_name)) AS s FROM nation) t
ORDER BY 1
