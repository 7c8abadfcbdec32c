// Makes the checks of a configuration with @grpc/grpc-js and apache-arrow, and prints what it saw.
"use strict";

const fs = require("fs");
const grpc = require("@grpc/grpc-js");
const { Client, PACKAGE, decode, encode, schemaOf, unwrapped, wrapped } = require("./flight.js");
const { rows, table, typeName, upload } = require("./forms.js");

const config = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const HANDLE = "prepared_statement_handle";
const ABSENT = { CREATE: 1, FAIL: 2 };
const THERE = { FAIL: 1, APPEND: 2, REPLACE: 3 };

const failure = (error) => ({
  error: { code: grpc.status[error.code] ?? null, text: error.details || error.message },
});
const peak = () => Math.floor(Number(/VmHWM:\s*(\d+)/.exec(fs.readFileSync("/proc/self/status", "utf8"))[1]) / 1024);
const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
const execute = (client, sql) => client.info("CommandStatementQuery", { query: sql });
const update = (client, sql) => client.update("CommandStatementUpdate", { query: sql });
const query = async (client, sql) => all(client, await execute(client, sql));

async function all(client, info) {
  const found = [];
  for await (const batch of client.batches(info)) found.push(...rows(batch));
  return found;
}

async function sums(client, info) {
  let number = 0, sum = 0n;
  for await (const batch of client.batches(info)) {
    number += batch.numRows;
    for (const id of batch.data.children[0].values) sum += id;
  }
  return { rows: String(number), sum: String(sum) };
}

async function connect({ how, sql }) {
  const server = { plain: config.plain, "token end": config.brief }[how] ?? config.tls;
  const client = new Client(server, how === "plain" ? null : config.ca, how !== "untrusted");
  try {
    if (how === "token") client.headers.set("authorization", `Bearer ${config.token}`);
    else if (how === "wrong password") await client.login(config.user, "another");
    else if (how === "password" || how === "token end") await client.login(config.user, config.password);
    const first = await query(client, sql);
    if (how !== "token end") return { rows: first };
    for (const start = Date.now(); Date.now() - start < 20_000; await sleep(0.05)) {
      const after = await query(client, sql).then(() => null, failure);
      if (after) return { before: first, after };
    }
    return { before: first, after: null };
  } finally {
    client.close();
  }
}

/** What to see after a change: a count, with the rows of the query that comes behind. */
async function counted(client, count, then) {
  return then ? { count, rows: await query(client, then) } : { count };
}

async function prepare(client, sql) {
  const body = wrapped("ActionCreatePreparedStatementRequest", { query: sql });
  const [answer] = await client.action("CreatePreparedStatement", body);
  return unwrapped("ActionCreatePreparedStatementResult", answer);
}

/** Prepares the statement of a step, and runs it with its parameters. */
async function bound(client, { query: asked, update: change, types, values }) {
  const handle = { [HANDLE]: (await prepare(client, asked ?? change))[HANDLE] };
  const given = table(types, [values]);
  if (change) return { count: await client.update("CommandPreparedStatementUpdate", handle, given) };
  const answer = await client.put("CommandPreparedStatementQuery", handle, given);
  const found = decode(`${PACKAGE}.sql.DoPutPreparedStatementResult`, answer);
  return { rows: await all(client, await client.info("CommandPreparedStatementQuery", found)) };
}

const kinds = {
  async values(client, { sql }) {
    const info = await execute(client, sql);
    const found = await all(client, info);
    return { type: typeName(schemaOf(info.schema).fields[0].type), values: found.map(([first]) => first) };
  },

  async stream(client, { sql }) {
    const before = peak();
    const seen = await sums(client, await execute(client, sql));
    return { ...seen, mb: String(peak() - before) };
  },

  async parameters(client, { sql, type, values }) {
    const prepared = await prepare(client, sql);
    const told = typeName(schemaOf(prepared.parameter_schema).fields[0].type);
    const answer = async (value) => {
      const handle = { [HANDLE]: prepared[HANDLE] };
      const bound = await client.put("CommandPreparedStatementQuery", handle, table([type], [[value]]));
      const found = decode(`${PACKAGE}.sql.DoPutPreparedStatementResult`, bound);
      return (await all(client, await client.info("CommandPreparedStatementQuery", found)))[0][0];
    };
    const seen = [];
    for (const value of values) seen.push(await answer(value).catch(failure));
    await client.action("ClosePreparedStatement", wrapped("ActionClosePreparedStatementRequest", { [HANDLE]: prepared[HANDLE] }));
    return { told, values: seen };
  },

  async rows(client, { before, sql, types, rows: given, then }) {
    if (before) await update(client, before);
    const handle = { [HANDLE]: (await prepare(client, sql))[HANDLE] };
    return counted(client, await client.update("CommandPreparedStatementUpdate", handle, table(types, given)), then);
  },

  async script(client, { steps }) {
    const seen = [];
    for (const step of steps) {
      const { query: asked, update: change } = step;
      const made = step.types ? bound(client, step) : change ? update(client, change).then((count) => ({ count })) : query(client, asked).then((rows) => ({ rows }));
      seen.push(await made.catch(failure));
    }
    return seen;
  },

  async metadata(client, { of, catalog, schema, table: name, types, codes }) {
    const key = { db_schema: schema, table: name };
    const patterns = { db_schema_filter_pattern: schema, table_name_filter_pattern: name };
    const told = async (command, value) => all(client, await client.info(command, value));
    switch (of) {
      case "catalogs": return told("CommandGetCatalogs");
      case "schemas": return told("CommandGetDbSchemas", { catalog, db_schema_filter_pattern: schema });
      case "tables": return told("CommandGetTables", { ...patterns, table_types: types });
      case "columns": {
        const info = await client.info("CommandGetTables", { ...patterns, include_schema: true });
        const columns = [];
        for await (const batch of client.batches(info))
          for (const bytes of batch.getChild("table_schema"))
            columns.push(...schemaOf(bytes).fields.map((field) => [field.name, typeName(field.type), field.nullable]));
        return columns;
      }
      case "table types": return told("CommandGetTableTypes");
      case "primary keys": return told("CommandGetPrimaryKeys", key);
      case "imported keys": return told("CommandGetImportedKeys", key);
      case "exported keys": return told("CommandGetExportedKeys", key);
      case "cross reference":
        return told("CommandGetCrossReference", { pk_db_schema: schema, pk_table: name, fk_db_schema: schema, fk_table: name });
      case "type names": return (await told("CommandGetXdbcTypeInfo")).map(([first]) => [first]);
      case "sql info": return Object.fromEntries(await told("CommandGetSqlInfo", { info: codes }));
    }
  },

  async ingest(client, { table: name, mode, temporary, rows: number, before, then }) {
    if (before) await update(client, before);
    const options = {
      if_not_exist: mode === "append" ? ABSENT.FAIL : ABSENT.CREATE,
      if_exists: { create: THERE.FAIL, replace: THERE.REPLACE }[mode] ?? THERE.APPEND,
    };
    const command = { table: name, temporary, table_definition_options: options };
    return counted(client, await client.update("CommandStatementIngest", command, upload(number)), then);
  },

  async cancel(client, { sql, when }) {
    const info = await execute(client, sql);
    const read = async () => {
      let call = null;
      const started = (found) => {
        call = found;
        if (when === "computing") setTimeout(() => call.cancel(), 500);
      };
      for await (const _ of client.batches(info, started)) call.cancel();
      return null;
    };
    const after = await read().catch(failure);
    return { after, next: await query(client, "SELECT 1") };
  },

  async deadline(client, { sql, seconds }) {
    client.seconds = seconds;
    return { rows: await query(client, sql) };
  },

  async "first values"(client, { parameters, sql }) {
    for (const [name, value] of Object.entries(parameters)) client.headers.set(name, value);
    return { rows: await query(client, sql) };
  },

  async options(client, { set, sql }) {
    const action = async (name, request = {}) => {
      const [answer] = await client.action(name, encode(`${name}Request`, request));
      return decode(`${name}Result`, answer);
    };
    const values = Object.entries(set).map(([name, value]) => [name, { string_value: value }]);
    const { errors } = await action("SetSessionOptions", { session_options: Object.fromEntries(values) });
    const { session_options: told } = await action("GetSessionOptions");
    const has = Object.keys(set).filter((name) => name in told);
    return {
      refused: Object.fromEntries(Object.entries(errors).map(([name, { value }]) => [name, value])),
      options: Object.fromEntries(has.map((name) => [name, told[name].string_value])),
      rows: await query(client, sql),
      closed: (await action("CloseSession")).status,
    };
  },

  async endpoints(client, { set, sql }) {
    await update(client, set);
    const info = await execute(client, sql);
    return { ...(await sums(client, info)), endpoints: info.endpoint.length > 1 ? "several" : "1" };
  },
};

async function make(check) {
  if (check.kind === "connect") return connect(check);
  const secured = check.at === "tls";
  const client = new Client(secured ? config.tls : config.plain, secured ? config.ca : null, true);
  try {
    if (secured) await client.login(config.user, config.password);
    return await kinds[check.kind](client, check);
  } finally {
    client.close();
  }
}

(async () => {
  for (const check of config.checks) {
    const seen = await make(check).catch(failure);
    console.log(JSON.stringify({ client: "javascript apache-arrow", check: check.name, seen }));
  }
})();
