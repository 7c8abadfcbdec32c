MODEL (name shop2.daily, kind INCREMENTAL_BY_TIME_RANGE (time_column day), cron '@daily', start '2024-01-01', end '2024-01-05');
SELECT id, DATE '2024-01-01' + (id % 5)::INT AS day FROM shop2.base WHERE DATE '2024-01-01' + (id % 5)::INT BETWEEN @start_date AND @end_date;
