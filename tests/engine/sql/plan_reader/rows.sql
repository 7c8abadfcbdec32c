CREATE TABLE t (
    a INTEGER, b BIGINT, s VARCHAR, u VARCHAR, d DATE, x DOUBLE, n DECIMAL(15, 2), ts TIMESTAMP, tz TIMESTAMPTZ, j JSON,
    l INTEGER[], ls VARCHAR[], r STRUCT(p INTEGER, "Q" VARCHAR), m MAP(VARCHAR, INTEGER), bo BOOLEAN, iv INTERVAL,
    sm SMALLINT, h HUGEINT, arr INTEGER[3], un UNION(k INTEGER, v VARCHAR), va VARIANT, bl BLOB, bi BIT, t TIME,
    ttz TIMETZ, e ENUM('lo', 'hi', 'Mid'), uid UUID, d38 DECIMAL(38, 4), f FLOAT, ll INTEGER[][], lr STRUCT(p INTEGER)[]
);
INSERT INTO t VALUES (
    1, 2, 'abc', 'ABC', '2020-02-29', 0.5, 1.25, '2020-02-29 01:02:03.456', '2020-02-29 01:02:03+00',
    '{"a": {"b": 1}, "a.b": 7}', [3, 1, NULL], ['b', 'A', 'a'], {'p': 1, 'Q': 'q'}, MAP {'a': 1, 'b': 2}, true,
    '1 month 3 days', 5, 170141183460469231731687303715884105727, [1, 2, 3], 1, 1, '\x00ab', '0101', '01:02:03',
    '01:02:03+02', 'lo', '00000000-0000-0000-0000-000000000001', 1234.5678, 1.5, [[1], [2, 3]], [{'p': 1}]
);
INSERT INTO t (a) VALUES (NULL);
INSERT INTO t VALUES (
    -7, 9, 'äB c', 'Äb C', '1969-12-31', 'nan', -99.99, '1969-12-31 23:59:59', '1969-12-31 23:59:59+00',
    '[1, "x", null]', [], [], {'p': NULL, 'Q': 'Z'}, MAP {}, false, '-25 hours', -3, -1, [9, NULL, 7], 'str'::VARCHAR,
    'vv', '', '1', '23:59:59.999', '23:59:59-03', 'Mid', 'ffffffff-ffff-ffff-ffff-ffffffffffff', -0.0001, 'inf', [], []
);
INSERT INTO t VALUES (
    2147483647, 0, 'x%y_z', 'a', '9999-12-31', '-0.0', 0, 'infinity', '-infinity', '"s"', [1, 2, 3, 4],
    ['é', 'e', 'E'], {'p': 2, 'Q': ''}, MAP {'A': 5}, true, '0 days', 0, 0, [0, 0, 0], 5, [1, 2], 'a', '000', '00:00:00',
    '00:00:00+00', 'hi', '12345678-1234-1234-1234-123456789abc', 0, -0.0, [[], [NULL]], [{'p': NULL}]
);
