//! DataFusion over tables of a server: `datafusion-program ADDRESS OPTIONS SQL NAME=QUERY...`
//!
//! Each QUERY is asked of the server, once as its table is made and once for each scan, and is the table NAME in SQL, which
//! DataFusion runs. OPTIONS are options of all tables, as `flight.sql.username=ana,flight.sql.password=...`, or empty. The
//! rows are printed as DataFusion prints them.

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;

use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::prelude::SessionContext;
use datafusion_table_providers::flight::FlightTableFactory;
use datafusion_table_providers::flight::sql::{FlightSqlDriver, QUERY};

fn pair(text: &str) -> (String, String) {
    let (name, value) = text.split_once('=').expect("NAME=VALUE");
    (name.to_string(), value.to_string())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, options, sql, tables @ ..] = arguments.as_slice() else {
        panic!("ADDRESS OPTIONS SQL NAME=QUERY...");
    };
    let context = SessionContext::new();
    let factory = FlightTableFactory::new(Arc::new(FlightSqlDriver::new()));
    for (name, query) in tables.iter().map(|table| pair(table)) {
        let mut given: HashMap<String, String> = options.split(',').filter(|text| !text.is_empty()).map(pair).collect();
        given.insert(QUERY.into(), query);
        let table = factory.open_table(format!("http://{address}"), given).await?;
        context.register_table(name, Arc::new(table))?;
    }
    println!("{}", pretty_format_batches(&context.sql(sql).await?.collect().await?)?);
    Ok(())
}
