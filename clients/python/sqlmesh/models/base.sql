MODEL (name shop2.base, kind FULL, audits (not_null(columns := (id)), positive));
SELECT i AS id, i * 2 AS twice FROM range(10) r(i);

