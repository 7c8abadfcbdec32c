//! The Flight SQL driver of ADBC, over its driver manager.

use std::time::Duration;

use adbc_core::error::{Error, Status};
use adbc_core::options::{
    AdbcVersion, IngestMode, ObjectDepth, OptionConnection, OptionDatabase, OptionStatement, OptionValue,
};
use adbc_core::{Connection, Database, Driver, Optionable, Statement};
use adbc_driver_manager::{ManagedConnection, ManagedDriver, ManagedStatement};
use arrow_array::RecordBatchReader;
use serde_json::{Map, Value, json};

use crate::forms::{batch, columns, firsts, list, lists, rows, sum, type_name, upload};
use crate::{Failed, Seen, code_word, peak, text};

type Reader = Box<dyn RecordBatchReader + Send>;

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        let code = match error.status {
            Status::NotImplemented => tonic::Code::Unimplemented,
            Status::NotFound => tonic::Code::NotFound,
            Status::AlreadyExists => tonic::Code::AlreadyExists,
            Status::InvalidArguments => tonic::Code::InvalidArgument,
            Status::InvalidState => tonic::Code::FailedPrecondition,
            Status::Internal => tonic::Code::Internal,
            Status::IO => tonic::Code::Unavailable,
            Status::Cancelled => tonic::Code::Cancelled,
            Status::Timeout => tonic::Code::DeadlineExceeded,
            Status::Unauthenticated => tonic::Code::Unauthenticated,
            Status::Unauthorized => tonic::Code::PermissionDenied,
            _ => tonic::Code::Unknown,
        };
        Failed::Error { code: Some(code_word(code)), text: error.message }
    }
}

/// What makes a check, on a connection of its own, with the driver in a file.
pub fn client(config: Value, file: String) -> impl Fn(&Value) -> Seen {
    move |check| {
        let driver = ManagedDriver::load_dynamic_from_filename(&file, None, AdbcVersion::V110)?;
        make(driver, &config, check)
    }
}

fn make(driver: ManagedDriver, config: &Value, check: &Value) -> Seen {
    if text(check, "kind") == "connect" {
        return connect(driver, config, check);
    }
    let options = match text(check, "kind") {
        "first values" => headers(check),
        _ if text(check, "at") == "tls" => login(config, text(config, "password")),
        _ => vec![],
    };
    let server = if text(check, "at") == "tls" { "tls" } else { "plain" };
    let mut connection = open(driver, config, server, options)?;
    let connection = &mut connection;
    match text(check, "kind") {
        "values" => values(connection, check),
        "stream" => stream(connection, check),
        "parameters" => parameters(connection, check),
        "rows" => bound_rows(connection, check),
        "script" => script(connection, check),
        "metadata" => metadata(connection, check),
        "ingest" => ingest(connection, check),
        "cancel" => cancel(connection, check),
        "deadline" => deadline(connection, check),
        "first values" => Ok(json!({"rows": query(connection, text(check, "sql"))?})),
        "endpoints" => endpoints(connection, check),
        "options" => Err(Failed::Cannot("ADBC does not tell how a session was closed")),
        "handshake" | "failed source" | "parameter names" | "unread streams" => {
            Err(Failed::Cannot("it is about arrow-flight"))
        }
        other => Err(Failed::told(format!("unknown kind {other}"))),
    }
}

type Options = Vec<(String, String)>;

fn headers(check: &Value) -> Options {
    let given = check["parameters"].as_object().expect("parameters");
    let pair = |(name, value): (&String, &Value)| {
        (format!("adbc.flight.sql.rpc.call_header.{name}"), value.as_str().expect("a text").to_string())
    };
    given.iter().map(pair).collect()
}

fn login(config: &Value, password: &str) -> Options {
    let mut options = trusting(config);
    options.push(("username".into(), text(config, "user").into()));
    options.push(("password".into(), password.into()));
    options
}

fn trusting(config: &Value) -> Options {
    let pem = std::fs::read_to_string(text(config, "ca")).expect("an authority");
    vec![("adbc.flight.sql.client_option.tls_root_certs".into(), pem)]
}

fn open(mut driver: ManagedDriver, config: &Value, server: &str, given: Options) -> Result<ManagedConnection, Failed> {
    let scheme = if server == "plain" { "grpc" } else { "grpc+tls" };
    let mut options = vec![(OptionDatabase::Uri, format!("{scheme}://{}", text(config, server)))];
    options.extend(given.into_iter().map(|(name, value)| (OptionDatabase::from(name.as_str()), value)));
    let options = options.into_iter().map(|(name, value)| (name, OptionValue::String(value)));
    Ok(driver.new_database_with_opts(options)?.new_connection()?)
}

fn connect(driver: ManagedDriver, config: &Value, check: &Value) -> Seen {
    let how = text(check, "how");
    let (server, options) = match how {
        "plain" => ("plain", vec![]),
        "nobody" => ("tls", trusting(config)),
        "untrusted" => ("tls", vec![]),
        "wrong password" => ("tls", login(config, "another")),
        "token" => {
            let mut options = trusting(config);
            let header = format!("Bearer {}", text(config, "token"));
            options.push(("adbc.flight.sql.authorization_header".into(), header));
            ("tls", options)
        }
        "token end" => ("brief", login(config, text(config, "password"))),
        _ => ("tls", login(config, text(config, "password"))),
    };
    let mut connection = open(driver, config, server, options)?;
    let first = query(&mut connection, text(check, "sql"))?;
    if how != "token end" {
        return Ok(json!({"rows": first}));
    }
    let start = std::time::Instant::now();
    while start.elapsed() < Duration::from_secs(20) {
        if let Err(error) = query(&mut connection, text(check, "sql")) {
            return Ok(json!({"before": first, "after": error.form()}));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(json!({"before": first, "after": null}))
}

fn statement(connection: &mut ManagedConnection, sql: &str) -> Result<ManagedStatement, Failed> {
    let mut statement = connection.new_statement()?;
    statement.set_sql_query(sql)?;
    Ok(statement)
}

/// An error in the midst of a stream, of which Arrow tells the text alone.
fn broken(error: impl std::fmt::Display) -> Failed {
    Failed::told(error)
}

fn all(reader: Reader) -> Result<Vec<Value>, Failed> {
    let mut found = vec![];
    for batch in reader {
        found.extend(rows(&batch.map_err(broken)?));
    }
    Ok(found)
}

fn query(connection: &mut ManagedConnection, sql: &str) -> Result<Vec<Value>, Failed> {
    all(statement(connection, sql)?.execute()?)
}

fn update(connection: &mut ManagedConnection, sql: &str) -> Result<i64, Failed> {
    Ok(statement(connection, sql)?.execute_update()?.unwrap_or(-1))
}

fn values(connection: &mut ManagedConnection, check: &Value) -> Seen {
    let mut statement = statement(connection, text(check, "sql"))?;
    let reader = statement.execute()?;
    let kind = type_name(reader.schema().field(0).data_type());
    Ok(json!({"type": kind, "values": firsts(&all(reader)?)}))
}

/// How many rows come, and the sum of their first column; a reader ends before the next one is asked for.
fn sums(readers: impl IntoIterator<Item = Result<Reader, Error>>) -> Result<Map<String, Value>, Failed> {
    let (mut number, mut total) = (0, 0);
    for reader in readers {
        for batch in reader? {
            let batch = batch.map_err(broken)?;
            number += batch.num_rows();
            total += sum(&batch);
        }
    }
    Ok(Map::from_iter([("rows".into(), json!(number.to_string())), ("sum".into(), json!(total.to_string()))]))
}

fn stream(connection: &mut ManagedConnection, check: &Value) -> Seen {
    let before = peak();
    let mut seen = sums([statement(connection, text(check, "sql"))?.execute()])?;
    seen.insert("mb".into(), json!((peak() - before).to_string()));
    Ok(Value::Object(seen))
}

fn parameters(connection: &mut ManagedConnection, check: &Value) -> Seen {
    let mut statement = statement(connection, text(check, "sql"))?;
    statement.prepare()?;
    let told = statement.get_parameter_schema()?;
    let told = told.fields().first().map(|field| type_name(field.data_type()));
    let mut found = vec![];
    for given in list(check, "values") {
        statement.bind(batch(&[text(check, "type")], &[vec![given]]))?;
        let answer = statement.execute().map_err(Failed::from).and_then(all);
        found.push(answer.map_or_else(|error| error.form(), |rows| rows[0][0].clone()));
    }
    Ok(json!({"told": told, "values": found}))
}

fn bound_rows(connection: &mut ManagedConnection, check: &Value) -> Seen {
    if let Some(before) = check["before"].as_str() {
        update(connection, before)?;
    }
    let types = list(check, "types");
    let types: Vec<&str> = types.iter().filter_map(Value::as_str).collect();
    let mut statement = statement(connection, text(check, "sql"))?;
    statement.prepare()?;
    statement.bind(batch(&types, &lists(check, "rows")))?;
    let changed = statement.execute_update()?.unwrap_or(-1);
    counted(connection, check, changed)
}

/// A count, with the rows of the query that comes behind.
fn counted(connection: &mut ManagedConnection, check: &Value, changed: i64) -> Seen {
    let mut seen = Map::from_iter([("count".into(), json!(changed.to_string()))]);
    if let Some(then) = check["then"].as_str() {
        seen.insert("rows".into(), json!(query(connection, then)?));
    }
    Ok(Value::Object(seen))
}

fn bound(connection: &mut ManagedConnection, step: &Value) -> Seen {
    let types = list(step, "types");
    let types: Vec<&str> = types.iter().filter_map(Value::as_str).collect();
    let change = step["update"].as_str();
    let mut statement = statement(connection, change.unwrap_or_else(|| text(step, "query")))?;
    statement.prepare()?;
    statement.bind(batch(&types, &[list(step, "values")]))?;
    Ok(match change {
        Some(_) => json!({"count": statement.execute_update()?.unwrap_or(-1).to_string()}),
        None => json!({"rows": all(statement.execute()?)?}),
    })
}

fn script(connection: &mut ManagedConnection, check: &Value) -> Seen {
    let mut outcomes = vec![];
    for step in list(check, "steps") {
        let outcome = match step["update"].as_str() {
            _ if step["types"].is_array() => bound(connection, &step),
            Some(sql) => update(connection, sql).map(|changed| json!({"count": changed.to_string()})),
            None => query(connection, text(&step, "query")).map(|rows| json!({"rows": rows})),
        };
        outcomes.push(outcome.unwrap_or_else(|error| error.form()));
    }
    Ok(json!(outcomes))
}

fn ingest(connection: &mut ManagedConnection, check: &Value) -> Seen {
    if let Some(before) = check["before"].as_str() {
        update(connection, before)?;
    }
    let mode = match text(check, "mode") {
        "create" => IngestMode::Create,
        "append" => IngestMode::Append,
        "replace" => IngestMode::Replace,
        _ => IngestMode::CreateAppend,
    };
    let mut statement = connection.new_statement()?;
    statement.set_option(OptionStatement::TargetTable, text(check, "table").into())?;
    statement.set_option(OptionStatement::IngestMode, mode.into())?;
    if check["temporary"] == true {
        statement.set_option(OptionStatement::Temporary, "true".into())?;
    }
    statement.bind(upload(check["rows"].as_i64().expect("a number")))?;
    let changed = statement.execute_update()?.unwrap_or(-1);
    counted(connection, check, changed)
}

fn metadata(connection: &mut ManagedConnection, check: &Value) -> Seen {
    let (catalog, schema, table) = (check["catalog"].as_str(), check["schema"].as_str(), check["table"].as_str());
    let depth = match text(check, "of") {
        "catalogs" => ObjectDepth::Catalogs,
        "schemas" => ObjectDepth::Schemas,
        "tables" => ObjectDepth::Tables,
        "columns" => {
            return Ok(json!(columns(&connection.get_table_schema(catalog, schema, table.unwrap_or_default())?)));
        }
        "table types" => return Ok(json!(all(connection.get_table_types()?)?)),
        _ => return Err(Failed::Cannot("ADBC has no call for it")),
    };
    let types = list(check, "types");
    let types: Vec<&str> = types.iter().filter_map(Value::as_str).collect();
    let types = (!types.is_empty()).then_some(types);
    let mut found = vec![];
    for batch in connection.get_objects(depth, catalog, schema, table, types, None)? {
        for row in rows(&batch.map_err(broken)?) {
            found.extend(nested(text(check, "of"), &row));
        }
    }
    Ok(json!(found))
}

/// The rows that a catalog holds, of schemas and tables in it.
fn nested(of: &str, catalog: &Value) -> Vec<Value> {
    if of == "catalogs" {
        return vec![json!([catalog[0]])];
    }
    let mut found = vec![];
    for schema in catalog[1].as_array().into_iter().flatten() {
        if of == "schemas" {
            found.push(json!([catalog[0], schema["db_schema_name"]]));
        }
        for table in list(schema, "db_schema_tables") {
            found.push(json!([catalog[0], schema["db_schema_name"], table["table_name"], table["table_type"]]));
        }
    }
    found
}

fn cancel(connection: &mut ManagedConnection, check: &Value) -> Seen {
    let mut statement = statement(connection, text(check, "sql"))?;
    let handle = statement.get_cancel_handle();
    let after = if text(check, "when") == "computing" {
        let stop = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(500));
            handle.try_cancel()
        });
        let answer = statement.execute().map_err(Failed::from).and_then(all);
        stop.join().expect("an end")?;
        answer.err()
    } else {
        let mut reader = statement.execute()?;
        reader.next().transpose().map_err(broken)?;
        handle.try_cancel()?;
        all(reader).err()
    };
    drop(statement);
    Ok(json!({"after": after.map(|error| error.form()), "next": query(connection, "SELECT 1")?}))
}

fn deadline(connection: &mut ManagedConnection, check: &Value) -> Seen {
    for part in ["query", "fetch"] {
        let name = format!("adbc.flight.sql.rpc.timeout_seconds.{part}");
        let seconds = check["seconds"].as_f64().expect("seconds");
        connection.set_option(OptionConnection::from(name.as_str()), OptionValue::Double(seconds))?;
    }
    Ok(json!({"rows": query(connection, text(check, "sql"))?}))
}

fn endpoints(connection: &mut ManagedConnection, check: &Value) -> Seen {
    update(connection, text(check, "set"))?;
    let parts = statement(connection, text(check, "sql"))?.execute_partitions()?;
    let number = if parts.partitions.len() > 1 { "several" } else { "1" };
    let mut seen = sums(parts.partitions.iter().map(|part| connection.read_partition(part)))?;
    seen.insert("endpoints".into(), json!(number));
    Ok(Value::Object(seen))
}
