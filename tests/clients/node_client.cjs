// Prints what an npm client gets from a server, as JSON: what was asked, and the answer or the error.
const { FlightSQLClient } = require("@gizmodata/gizmosql-client");

const [host, port, username, password] = process.argv.slice(2);
const login = username ? { username, password } : {};
const client = new FlightSQLClient({ host, port: Number(port), plaintext: true, ...login });

const rows = async (query) => (await client.execute(query)).toArray().map((row) => row.toJSON());
const asked = {
  rows: () => rows("SELECT n_nationkey, n_name FROM nation ORDER BY n_nationkey LIMIT 2"),
  count: async () => (await client.execute("SELECT * FROM orders")).numRows,
  update: () => rows("CREATE OR REPLACE TABLE from_node AS SELECT 1 AS x"),
  catalogs: () => client.getCatalogs(),
  schemas: () => client.getSchemas("grism"),
  tables: () => client.getTables("grism", "main", "nat%"),
  types: () => client.getTableTypes(),
  info: async () => Object.fromEntries(await client.getSqlInfo([0, 8, 504])),
  error: () => rows("SELECT nosuch FROM nation"),
};

(async () => {
  const answers = {};
  for (const [name, ask] of Object.entries(asked)) {
    answers[name] = await ask().catch((error) => ({ error: error.message }));
  }
  await client.close();
  console.log(JSON.stringify(answers, (_, value) => (typeof value === "bigint" ? Number(value) : value)));
})();
