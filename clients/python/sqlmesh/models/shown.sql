MODEL (name shop2.shown, kind VIEW);
SELECT day, count(*) AS n FROM shop2.daily GROUP BY day;
