//! The Flight SQL client of arrow-flight.

use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_flight::sql::{
    CommandGetCrossReference, CommandGetDbSchemas, CommandGetExportedKeys, CommandGetImportedKeys,
    CommandGetPrimaryKeys, CommandGetTables, CommandGetXdbcTypeInfo, CommandStatementIngest, SqlInfo,
    TableDefinitionOptions, TableExistsOption, TableNotExistOption,
};
use arrow_flight::{CancelFlightInfoRequest, FlightClient, FlightEndpoint, FlightInfo};
use arrow_schema::Schema;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use crate::forms::{batch, columns, firsts, list, lists, rows, sum, type_name, upload};
use crate::{Failed, Seen, code_word, peak, text};

type Client = FlightSqlServiceClient<Channel>;

impl From<FlightError> for Failed {
    fn from(error: FlightError) -> Self {
        match error {
            FlightError::Tonic(status) => (*status).into(),
            other => Failed::told(other),
        }
    }
}

impl From<tonic::Status> for Failed {
    fn from(status: tonic::Status) -> Self {
        Failed::Error { code: Some(code_word(status.code())), text: status.message().to_string() }
    }
}

/// What makes a check, on a connection of its own.
pub fn client(config: Value) -> impl Fn(&Value) -> Seen {
    let runtime = Runtime::new().expect("a runtime");
    move |check| runtime.block_on(make(&config, check))
}

async fn make(config: &Value, check: &Value) -> Seen {
    if text(check, "kind") == "connect" {
        return connect(config, check).await;
    }
    let mut client = match text(check, "at") {
        "tls" => {
            let mut client = secure(config, "tls", true).await?;
            client.handshake(text(config, "user"), text(config, "password")).await?;
            client
        }
        _ => match check["limit"].as_u64() {
            Some(bytes) => limited(text(config, "plain"), bytes).await?,
            None => plain(text(config, "plain")).await?,
        },
    };
    let client = &mut client;
    match text(check, "kind") {
        "values" => values(client, check).await,
        "stream" => stream_all(client, check).await,
        "parameters" => parameters(client, check).await,
        "rows" => bound_rows(client, check).await,
        "script" => script(client, check).await,
        "metadata" => metadata(client, check).await,
        "ingest" => ingest(client, check).await,
        "cancel" => cancel(client, check).await,
        "deadline" => deadline(client, check).await,
        "first values" => first_values(client, check).await,
        "endpoints" => endpoints(client, check).await,
        "handshake" => handshake(config, check).await,
        "failed source" => failed_source(client).await,
        "parameter names" => parameter_names(client, check).await,
        "unread streams" => unread_streams(config, check).await,
        "options" => Err(Failed::Cannot("arrow-flight has no messages for the options of a session")),
        other => Err(Failed::told(format!("unknown kind {other}"))),
    }
}

/// A client that takes messages of so many bytes.
async fn limited(address: &str, bytes: u64) -> Result<Client, Failed> {
    let channel = channel(Endpoint::from_shared(format!("http://{address}"))).await?;
    let inner = FlightServiceClient::new(channel).max_decoding_message_size(bytes as usize);
    Ok(FlightSqlServiceClient::new_from_inner(inner))
}

async fn plain(address: &str) -> Result<Client, Failed> {
    Ok(FlightSqlServiceClient::new(channel(Endpoint::from_shared(format!("http://{address}"))).await?))
}

async fn channel(endpoint: Result<Endpoint, tonic::transport::Error>) -> Result<Channel, Failed> {
    endpoint.map_err(Failed::told)?.connect().await.map_err(|error| Failed::told(format!("{error:?}")))
}

async fn secure(config: &Value, server: &str, trust: bool) -> Result<Client, Failed> {
    let mut tls = ClientTlsConfig::new();
    if trust {
        let pem = std::fs::read_to_string(text(config, "ca")).expect("an authority");
        tls = tls.ca_certificate(Certificate::from_pem(pem));
    }
    let address = format!("https://{}", text(config, server));
    let endpoint = Endpoint::from_shared(address).and_then(|endpoint| endpoint.tls_config(tls));
    Ok(FlightSqlServiceClient::new(channel(endpoint).await?))
}

async fn connect(config: &Value, check: &Value) -> Seen {
    let how = text(check, "how");
    let server = if how == "token end" { "brief" } else { "tls" };
    let mut client = match how {
        "plain" => plain(text(config, "plain")).await?,
        _ => secure(config, server, how != "untrusted").await?,
    };
    match how {
        "plain" | "nobody" => (),
        "token" => client.set_token(text(config, "token").to_string()),
        "wrong password" => drop(client.handshake(text(config, "user"), "another").await?),
        _ => drop(client.handshake(text(config, "user"), text(config, "password")).await?),
    }
    let first = query(&mut client, text(check, "sql")).await?;
    if how != "token end" {
        return Ok(json!({"rows": first}));
    }
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(20) {
        if let Err(error) = query(&mut client, text(check, "sql")).await {
            return Ok(json!({"before": first, "after": error.form()}));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(json!({"before": first, "after": null}))
}

/// Gives each batch of all endpoints to a function.
async fn read(client: &Client, info: &FlightInfo, mut take: impl FnMut(RecordBatch)) -> Result<Schema, Failed> {
    for endpoint in &info.endpoint {
        let mut stream = at(client, endpoint).await?.do_get(endpoint.ticket.clone().expect("a ticket")).await?;
        while let Some(batch) = stream.next().await {
            take(batch?);
        }
    }
    info.clone().try_decode_schema().map_err(Failed::told)
}

/// The client for an endpoint: another one where it lies at another server.
async fn at(client: &Client, endpoint: &FlightEndpoint) -> Result<Client, Failed> {
    let other = endpoint.location.iter().find_map(|location| location.uri.strip_prefix("grpc://"));
    match other {
        Some(address) => plain(address).await,
        None => Ok(client.clone()),
    }
}

async fn all(client: &Client, info: FlightInfo) -> Result<(Vec<Value>, Schema), Failed> {
    let mut found = vec![];
    let schema = read(client, &info, |batch| found.extend(rows(&batch))).await?;
    Ok((found, schema))
}

async fn query(client: &mut Client, sql: &str) -> Result<Vec<Value>, Failed> {
    let info = client.execute(sql.to_string(), None).await?;
    Ok(all(client, info).await?.0)
}

async fn update(client: &mut Client, sql: &str) -> Result<i64, Failed> {
    Ok(client.execute_update(sql.to_string(), None).await?)
}

async fn values(client: &mut Client, check: &Value) -> Seen {
    let info = client.execute(text(check, "sql").to_string(), None).await?;
    let (found, schema) = all(client, info).await?;
    Ok(json!({"type": type_name(schema.field(0).data_type()), "values": firsts(&found)}))
}

async fn sums(client: &Client, info: &FlightInfo) -> Result<Map<String, Value>, Failed> {
    let (mut number, mut total) = (0, 0);
    read(client, info, |batch| {
        number += batch.num_rows();
        total += sum(&batch);
    })
    .await?;
    Ok(Map::from_iter([("rows".into(), json!(number.to_string())), ("sum".into(), json!(total.to_string()))]))
}

async fn stream_all(client: &mut Client, check: &Value) -> Seen {
    let before = peak();
    let info = client.execute(text(check, "sql").to_string(), None).await?;
    let mut seen = sums(client, &info).await?;
    seen.insert("mb".into(), json!((peak() - before).to_string()));
    Ok(Value::Object(seen))
}

async fn parameters(client: &mut Client, check: &Value) -> Seen {
    let mut statement = client.prepare(text(check, "sql").to_string(), None).await?;
    let told = statement.parameter_schema()?.fields().first().map(|field| type_name(field.data_type()));
    let mut found = vec![];
    for given in list(check, "values") {
        statement.set_parameters(batch(&[text(check, "type")], &[vec![given]]))?;
        let answer = match statement.execute().await {
            Ok(info) => all(client, info).await,
            Err(error) => Err(error.into()),
        };
        found.push(answer.map_or_else(|error| error.form(), |(rows, _)| rows[0][0].clone()));
    }
    statement.close().await?;
    Ok(json!({"told": told, "values": found}))
}

async fn bound_rows(client: &mut Client, check: &Value) -> Seen {
    if let Some(before) = check["before"].as_str() {
        update(client, before).await?;
    }
    let types = list(check, "types");
    let types: Vec<&str> = types.iter().filter_map(Value::as_str).collect();
    let mut statement = client.prepare(text(check, "sql").to_string(), None).await?;
    statement.set_parameters(batch(&types, &lists(check, "rows")))?;
    let changed = statement.execute_update().await?;
    statement.close().await?;
    counted(client, check, changed).await
}

/// A count, with the rows of the query that comes behind.
async fn counted(client: &mut Client, check: &Value, changed: i64) -> Seen {
    let mut seen = Map::from_iter([("count".into(), json!(changed.to_string()))]);
    if let Some(then) = check["then"].as_str() {
        seen.insert("rows".into(), json!(query(client, then).await?));
    }
    Ok(Value::Object(seen))
}

async fn bound(client: &mut Client, step: &Value) -> Seen {
    let types = list(step, "types");
    let types: Vec<&str> = types.iter().filter_map(Value::as_str).collect();
    let change = step["update"].as_str();
    let mut statement = client.prepare(change.unwrap_or_else(|| text(step, "query")).to_string(), None).await?;
    statement.set_parameters(batch(&types, &[list(step, "values")]))?;
    let seen = match change {
        Some(_) => json!({"count": statement.execute_update().await?.to_string()}),
        None => json!({"rows": all(client, statement.execute().await?).await?.0}),
    };
    statement.close().await?;
    Ok(seen)
}

async fn script(client: &mut Client, check: &Value) -> Seen {
    let mut outcomes = vec![];
    for step in list(check, "steps") {
        let outcome = match step["update"].as_str() {
            _ if step["types"].is_array() => bound(client, &step).await,
            Some(sql) => update(client, sql).await.map(|changed| json!({"count": changed.to_string()})),
            None => query(client, text(&step, "query")).await.map(|rows| json!({"rows": rows})),
        };
        outcomes.push(outcome.unwrap_or_else(|error| error.form()));
    }
    Ok(json!(outcomes))
}

async fn ingest(client: &mut Client, check: &Value) -> Seen {
    if let Some(before) = check["before"].as_str() {
        update(client, before).await?;
    }
    let mode = text(check, "mode");
    let absent = if mode == "append" { TableNotExistOption::Fail } else { TableNotExistOption::Create };
    let there = match mode {
        "create" => TableExistsOption::Fail,
        "replace" => TableExistsOption::Replace,
        _ => TableExistsOption::Append,
    };
    let command = CommandStatementIngest {
        table_definition_options: Some(TableDefinitionOptions { if_not_exist: absent as i32, if_exists: there as i32 }),
        table: text(check, "table").to_string(),
        temporary: check["temporary"].as_bool().unwrap_or_default(),
        ..Default::default()
    };
    let rows = upload(check["rows"].as_i64().expect("a number"));
    let changed = client.execute_ingest(command, stream::iter([Ok(rows)])).await?;
    counted(client, check, changed).await
}

async fn metadata(client: &mut Client, check: &Value) -> Seen {
    let (catalog, schema) = (check["catalog"].as_str().map(String::from), check["schema"].as_str().map(String::from));
    let table = text(check, "table").to_string();
    let types = list(check, "types").iter().filter_map(Value::as_str).map(String::from).collect();
    let of = text(check, "of");
    let info = match of {
        "catalogs" => client.get_catalogs().await?,
        "schemas" => client.get_db_schemas(CommandGetDbSchemas { catalog, db_schema_filter_pattern: schema }).await?,
        "tables" | "columns" => {
            let command = CommandGetTables {
                catalog,
                db_schema_filter_pattern: schema,
                table_name_filter_pattern: Some(table),
                table_types: types,
                include_schema: of == "columns",
            };
            client.get_tables(command).await?
        }
        "table types" => client.get_table_types().await?,
        "primary keys" => client.get_primary_keys(CommandGetPrimaryKeys { catalog, db_schema: schema, table }).await?,
        "imported keys" => {
            client.get_imported_keys(CommandGetImportedKeys { catalog, db_schema: schema, table }).await?
        }
        "exported keys" => {
            client.get_exported_keys(CommandGetExportedKeys { catalog, db_schema: schema, table }).await?
        }
        "cross reference" => {
            let command = CommandGetCrossReference {
                pk_db_schema: schema.clone(),
                pk_table: table.clone(),
                fk_db_schema: schema,
                fk_table: table,
                ..Default::default()
            };
            client.get_cross_reference(command).await?
        }
        "type names" => client.get_xdbc_type_info(CommandGetXdbcTypeInfo { data_type: None }).await?,
        "sql info" => {
            let code = |code: &Value| SqlInfo::try_from(code.as_i64().expect("a code") as i32).ok();
            client.get_sql_info(list(check, "codes").iter().filter_map(code).collect()).await?
        }
        other => return Err(Failed::told(format!("unknown metadata {other}"))),
    };
    if of == "columns" {
        return table_columns(client, &info).await;
    }
    let (found, _) = all(client, info).await?;
    match of {
        "sql info" => {
            let pair = |row: &Value| (row[0].as_str().expect("a code").to_string(), row[1].clone());
            Ok(Value::Object(found.iter().map(pair).collect()))
        }
        "type names" => Ok(json!(found.iter().map(|row| json!([row[0]])).collect::<Vec<_>>())),
        _ => Ok(json!(found)),
    }
}

async fn table_columns(client: &mut Client, info: &FlightInfo) -> Seen {
    let mut found = vec![];
    read(client, info, |batch| {
        for bytes in batch.column(4).as_binary::<i32>().iter().flatten() {
            let reader = arrow_ipc::reader::StreamReader::try_new(bytes, None).expect("a schema");
            found.extend(columns(&reader.schema()));
        }
    })
    .await?;
    Ok(json!(found))
}

async fn cancel(client: &mut Client, check: &Value) -> Seen {
    let info = client.execute(text(check, "sql").to_string(), None).await?;
    let mut canceller = FlightClient::new_from_inner(client.inner().clone());
    let request = CancelFlightInfoRequest::new(info.clone());
    let ticket = info.endpoint[0].ticket.clone().expect("a ticket");
    let error = if text(check, "when") == "computing" {
        let stop = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            canceller.cancel_flight_info(request).await
        };
        let run = async { client.clone().do_get(ticket).await?.try_collect::<Vec<_>>().await };
        let (stopped, error) = tokio::join!(stop, run);
        stopped?;
        error.err()
    } else {
        let mut stream = client.do_get(ticket).await?;
        stream.next().await.transpose()?;
        canceller.cancel_flight_info(request).await?;
        stream.try_collect::<Vec<_>>().await.err()
    };
    let after = error.map(|error| Failed::from(error).form());
    Ok(json!({"after": after, "next": query(client, "SELECT 1").await?}))
}

async fn deadline(client: &mut Client, check: &Value) -> Seen {
    client.set_header("grpc-timeout", format!("{}S", check["seconds"]));
    Ok(json!({"rows": query(client, text(check, "sql")).await?}))
}

async fn first_values(client: &mut Client, check: &Value) -> Seen {
    for (name, value) in check["parameters"].as_object().expect("parameters") {
        client.set_header(name, value.as_str().expect("a text"));
    }
    Ok(json!({"rows": query(client, text(check, "sql")).await?}))
}

async fn endpoints(client: &mut Client, check: &Value) -> Seen {
    update(client, text(check, "set")).await?;
    let info = client.execute(text(check, "sql").to_string(), None).await?;
    let mut seen = sums(client, &info).await?;
    let number = if info.endpoint.len() > 1 { "several" } else { "1" };
    seen.insert("endpoints".into(), json!(number));
    Ok(Value::Object(seen))
}

/// An upload whose source fails behind its first batch: how many rows are in the table then.
async fn failed_source(client: &mut Client) -> Seen {
    update(client, "CREATE OR REPLACE TABLE broken_off (id BIGINT, name VARCHAR)").await?;
    let command = CommandStatementIngest {
        table_definition_options: Some(TableDefinitionOptions {
            if_not_exist: TableNotExistOption::Fail as i32,
            if_exists: TableExistsOption::Append as i32,
        }),
        table: "broken_off".to_string(),
        ..Default::default()
    };
    let source = stream::iter([Ok(upload(3)), Err(FlightError::protocol("the source is broken"))]);
    let told = client.execute_ingest(command, source).await.map_err(Failed::from);
    let start = Instant::now(); // the client is told before the server has written
    let mut rows = query(client, "SELECT count(*) FROM broken_off").await?;
    while rows[0][0] == "0" && start.elapsed() < Duration::from_secs(10) {
        rows = query(client, "SELECT count(*) FROM broken_off").await?;
    }
    update(client, "DROP TABLE broken_off").await?;
    Ok(json!({"told": told.err().map(|error| error.form()), "rows": rows}))
}

async fn parameter_names(client: &mut Client, check: &Value) -> Seen {
    let statement = client.prepare(text(check, "sql").to_string(), None).await?;
    let names: Vec<_> = statement.parameter_schema()?.fields().iter().map(|field| field.name().clone()).collect();
    statement.close().await?;
    Ok(json!(names))
}

/// Whether the last of several streams over one connection comes while the others are not read.
async fn unread_streams(config: &Value, check: &Value) -> Seen {
    let address = format!("http://{}", text(config, "plain"));
    let window = check["window"].as_u64().expect("a number of bytes") as u32;
    let endpoint = Endpoint::from_shared(address).map(|endpoint| endpoint.initial_connection_window_size(window));
    let mut client = FlightSqlServiceClient::new(channel(endpoint).await?);
    let seconds = check["seconds"].as_u64().expect("a number");
    let all = async {
        let mut unread = vec![];
        for _ in 0..check["unread"].as_u64().expect("a number") {
            let info = client.execute(text(check, "sql").to_string(), None).await?;
            let mut stream = client.do_get(info.endpoint[0].ticket.clone().expect("a ticket")).await?;
            stream.next().await.transpose()?;
            unread.push(stream);
        }
        let info = client.execute(text(check, "sql").to_string(), None).await?;
        sums(&client, &info).await
    };
    match tokio::time::timeout(Duration::from_secs(seconds), all).await {
        Ok(answer) => answer.map(|_| json!({"came": true})),
        Err(_) => Ok(json!({"came": false})),
    }
}

/// The low-level client's Handshake with a message, which has to have one answer.
async fn handshake(config: &Value, check: &Value) -> Seen {
    let mut client = FlightClient::new_from_inner(secure(config, "tls", true).await?.into_inner());
    let payload = match check["basic"].as_bool() {
        // The protocol's BasicAuth: the user is its field 2, the password its field 3.
        Some(true) => [(2u8, text(config, "user")), (3, text(config, "password"))]
            .iter()
            .flat_map(|(field, value)| [&[field << 3 | 2, value.len() as u8], value.as_bytes()].concat())
            .collect(),
        _ => vec![],
    };
    let answer = client.handshake(payload).await?;
    Ok(json!({"answers": "1", "empty": answer.is_empty()}))
}
